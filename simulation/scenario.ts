import { settings } from '../src/config.ts'
import { usualPolicy } from '../src/contract/policy.ts'
import type { PopulationOptions } from './population.ts'

/** What a run is given. */
export interface Scenario {
  seed: number
  population: PopulationOptions
  workers: number
  concurrency: number
  /** For one webhook that says nothing else. */
  maxInFlight: number
  leaseSeconds: number
  timeoutMs: number
  retrySeconds: readonly number[]
  pollMs: number
  minutes: number
  /** Before this nothing is counted: caches are empty at first. */
  warmUpMinutes: number
  loss: { atMinute: number; workers: number }
  /** The largest tenant publishes so many at once. */
  burst: { atMinute: number; deliveries: number }
  database: DatabaseTimes
}

/**
 * How long statements take, whatever else the database has to do: that it has power enough is taken for granted. The first
 * of a statement is a round trip and a commit that waits for the disk; the rest is CPU as `simulation/walk.ts` and the bench
 * measure it.
 */
export interface DatabaseTimes {
  /** A claim that finds nothing. */
  claimMs: number
  claimRowMs: number
  /** For each webhook that a claim looks at. */
  claimStepMs: number
  recordMs: number
  recordRowMs: number
}

const usual = {
  seed: 7,
  concurrency: settings.concurrency.fallback,
  maxInFlight: usualPolicy.max_in_flight,
  leaseSeconds: settings.leaseSeconds.fallback,
  timeoutMs: usualPolicy.timeout_ms,
  retrySeconds: usualPolicy.retry_seconds,
  pollMs: 500,
  database: {
    claimMs: 2,
    claimRowMs: 0.02,
    claimStepMs: 0.0075,
    recordMs: 2,
    recordRowMs: 0.04,
  },
}

const shares = { slow: 0.02, refusing: 0.015, silent: 0.015 }

/**
 * A billion deliveries a day to a million endpoints, of which one in twenty is dead or slow, by a hundred workers. With the
 * usual 64 slots for each they are too few for that many that never answer: `--concurrency 64` shows it.
 */
export const whole: Scenario = {
  ...usual,
  concurrency: 256,
  population: { tenants: 100_000, webhooks: 1_000_000, shares, deliveriesPerDay: 1_000_000_000 },
  workers: 100,
  minutes: 8,
  warmUpMinutes: 1,
  loss: { atMinute: 3, workers: 10 },
  burst: { atMinute: 5, deliveries: 1_000_000 },
}

/** A tenth of all that, which loads each worker alike. */
export const tenth: Scenario = {
  ...whole,
  population: { ...whole.population, tenants: 10_000, webhooks: 100_000, deliveriesPerDay: 100_000_000 },
  workers: 10,
  loss: { ...whole.loss, workers: 1 },
  burst: { ...whole.burst, deliveries: 100_000 },
}

/** The same with a few hundred endpoints, three workers and two minutes, and more of them sick: it takes a second or two. */
export const short: Scenario = {
  ...usual,
  population: {
    tenants: 50,
    webhooks: 300,
    shares: { slow: 0.04, refusing: 0.04, silent: 0.04 },
    deliveriesPerDay: 2_500_000,
  },
  workers: 3,
  minutes: 2,
  warmUpMinutes: 0.25,
  loss: { atMinute: 0.5, workers: 1 },
  burst: { atMinute: 1.25, deliveries: 2_000 },
}

/** The same things at the same parts of a longer or shorter run. */
export function lasting(scenario: Scenario, minutes: number): Scenario {
  const times = minutes / scenario.minutes
  return {
    ...scenario,
    minutes,
    warmUpMinutes: scenario.warmUpMinutes * times,
    loss: { ...scenario.loss, atMinute: scenario.loss.atMinute * times },
    burst: { ...scenario.burst, atMinute: scenario.burst.atMinute * times },
  }
}
