import type { Case } from './case.ts'
import { deadEndpoint } from './dead-endpoint.ts'
import { delivery } from './delivery.ts'
import { fanOutCase } from './fan-out.ts'
import { future, history } from './history.ts'
import { latency } from './latency.ts'
import { longLife } from './long-life.ts'
import { publish } from './publish.ts'
import { retention } from './retention.ts'
import { slowEndpoint } from './slow-endpoint.ts'
import { tenants } from './tenants.ts'

export const cases: readonly Case[] = [
  publish,
  delivery,
  fanOutCase,
  latency,
  history,
  future,
  deadEndpoint,
  tenants,
  slowEndpoint,
  longLife,
  retention,
]
