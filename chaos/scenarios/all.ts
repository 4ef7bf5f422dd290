import type { Scenario } from '../scenario.ts'
import { backendTerminations } from './backend-terminations.ts'
import { connectionResets } from './connection-resets.ts'
import { diskFull } from './disk-full.ts'
import { lostReplyClaim, lostReplyResult } from './lost-replies.ts'
import { networkCut, networkDelayed } from './network.ts'
import { poison } from './poison.ts'
import { poolExhausted } from './pool-exhausted.ts'
import { postgresRestartFast, postgresRestartImmediate } from './postgres-restarts.ts'
import { postgresStopped } from './postgres-stopped.ts'
import { rollingRestart } from './rolling-restart.ts'
import { workerClock } from './worker-clock.ts'
import { workerKills } from './worker-kills.ts'
import { workerStalled, workerStalledSending } from './worker-stalled.ts'
import { workerStops } from './worker-stops.ts'

export const scenarios: readonly Scenario[] = [
  poison,
  workerKills,
  workerStalled,
  workerStalledSending,
  workerStops,
  rollingRestart,
  workerClock,
  postgresRestartFast,
  postgresRestartImmediate,
  postgresStopped,
  backendTerminations,
  lostReplyClaim,
  lostReplyResult,
  poolExhausted,
  diskFull,
  networkCut,
  networkDelayed,
  connectionResets,
]
