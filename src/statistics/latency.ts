/**
 * How long attempts took, as counts on a fixed logarithmic scale: four slots for each doubling, from below 2 ms to
 * 16.4 s and longer, which is past every deadline. Rows that were counted stay for 400 days: the scale is not to be changed.
 */
export const slotBoundsMs: readonly number[] = [
  2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 19, 23, 27, 32, 38, 45, 54, 64, 76, 91, 108, 128, 152, 181, 215, 256,
  304, 362, 431, 512, 609, 724, 861, 1_024, 1_218, 1_448, 1_722, 2_048, 2_435, 2_896, 3_444, 4_096, 4_871,
  5_793, 6_889, 8_192, 9_742, 11_585, 13_777, 16_384,
]

/** Slot n holds what took at least `slotBoundsMs[n - 1]` and less than `slotBoundsMs[n]`; slot 0 all that was shorter. */
export interface Histogram {
  slots: readonly number[]
  counts: readonly number[]
}

export interface Percentiles {
  p50_ms: number | null
  p95_ms: number | null
  p99_ms: number | null
}

/** Between the bounds of a slot by how far into it the wanted one lies. */
export function percentiles({ slots, counts }: Histogram): Percentiles {
  const bySlot = slots
    .map((slot, index) => ({ slot, count: counts[index]! }))
    .toSorted((a, b) => a.slot - b.slot)
  const total = counts.reduce((sum, count) => sum + count, 0)
  const at = (share: number): number | null => {
    let before = 0
    for (const { slot, count } of bySlot) {
      if (before + count >= share * total) return within(slot, (share * total - before) / count)
      before += count
    }
    return null
  }
  return { p50_ms: at(0.5), p95_ms: at(0.95), p99_ms: at(0.99) }
}

function within(slot: number, share: number): number {
  const lower = slotBoundsMs[slot - 1] ?? 0
  const upper = slotBoundsMs[slot] ?? lower
  return Math.round((lower + (upper - lower) * share) * 10) / 10
}

export function merge(histograms: readonly Histogram[]): Histogram {
  const counts = new Map<number, number>()
  for (const histogram of histograms) {
    histogram.slots.forEach((slot, index) =>
      counts.set(slot, (counts.get(slot) ?? 0) + histogram.counts[index]!),
    )
  }
  return { slots: [...counts.keys()], counts: [...counts.values()] }
}
