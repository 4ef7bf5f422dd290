import type { WebhookPolicy, WebhookPolicyChanges } from '../contract/policy.ts'

/** What holds for a webhook that does not say otherwise. No rate and no order are nothing to choose. */
export interface DefaultPolicy {
  retry_seconds: readonly number[]
  timeout_ms: number
  max_in_flight: number
}

/** The policy as it stands in a row: null is the deployment's default, whatever that is by then. */
export interface StoredPolicy {
  retry_seconds: number[] | null
  timeout_ms: number | null
  max_in_flight: number | null
  rate_per_second: number | null
  ordered: boolean
}

export const noPolicy: StoredPolicy = {
  retry_seconds: null,
  timeout_ms: null,
  max_in_flight: null,
  rate_per_second: null,
  ordered: false,
}

export const policyColumn = `json_build_object(
    'retry_seconds', row.retry_seconds,
    'timeout_ms', row.timeout_ms,
    'max_in_flight', row.max_in_flight,
    'rate_per_second', row.rate_per_second,
    'ordered', row.ordered
  ) AS policy`

/** For its columns, in the order in which `policyColumn` reads them. */
export function policyValues(policy: StoredPolicy): unknown[] {
  return [
    policy.retry_seconds,
    policy.timeout_ms,
    policy.max_in_flight,
    policy.rate_per_second,
    policy.ordered,
  ]
}

/** The policy after a change: what it names is taken, null included, and the rest stays. */
export function changedPolicy(before: StoredPolicy, changes: WebhookPolicyChanges = {}): StoredPolicy {
  // Code may name a member and give nothing; only null is to mean the default.
  const named = Object.entries(changes).filter(([, value]) => value !== undefined)
  const after = { ...before, ...(Object.fromEntries(named) as WebhookPolicyChanges) }
  return { ...after, ordered: after.ordered ?? noPolicy.ordered }
}

/** The policy as it is shown. */
export function wholePolicy(stored: StoredPolicy, defaults: DefaultPolicy): WebhookPolicy {
  return {
    retry_seconds: stored.retry_seconds ?? [...defaults.retry_seconds],
    timeout_ms: stored.timeout_ms ?? defaults.timeout_ms,
    max_in_flight: stored.max_in_flight ?? defaults.max_in_flight,
    rate_per_second: stored.rate_per_second,
    ordered: stored.ordered,
  }
}
