/** The line in the log of a statement for many deliveries, with their ids: see docs/observe.md. */
export function batchLine(
  deliveries: readonly { id: string }[],
  { workerId, durationMs, ...more }: { workerId: string; durationMs: number; written?: number },
): object {
  return {
    worker_id: workerId,
    deliveries: deliveries.length,
    ...more,
    duration_ms: Math.round(durationMs * 10) / 10,
    delivery_ids: deliveries.map(({ id }) => id),
  }
}
