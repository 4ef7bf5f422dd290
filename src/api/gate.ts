import type { Engine } from './engine.ts'
import type { RateLimits } from './rate-limit.ts'
import type { Site } from './site.ts'

/** What it takes to find out who makes a call, and whether they may. */
export interface Gate {
  engine: Engine
  /** SHA-256 of the admin key; without one nobody is admin. */
  adminKeyHash: Buffer | undefined
  limits: RateLimits
  site: Site
}
