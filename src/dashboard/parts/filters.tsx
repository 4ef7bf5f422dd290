import { SegmentedControl, Switch } from '@mantine/core'
import { useCallback, useMemo } from 'react'
import { useSearchParams } from 'wouter'

/** Every filter stands in the URL, so that a link shows the same to whoever opens it. */
export type Changes = Record<string, string | null>

export function useFilters(): [(name: string) => string | null, (changes: Changes) => void] {
  const [params, setParams] = useSearchParams()
  const set = useCallback(
    (changes: Changes) =>
      setParams(
        (before) => {
          const next = new URLSearchParams(before)
          for (const [name, value] of Object.entries(changes)) {
            if (value === null || value === '') next.delete(name)
            else next.set(name, value)
          }
          return next
        },
        { replace: true },
      ),
    [setParams],
  )
  return [(name) => params.get(name), set]
}

export const ranges = { '1h': 3600, '24h': 86_400, '7d': 604_800, '30d': 2_592_000 } as const
export type Range = keyof typeof ranges

export function useRange(): Range {
  const [filter] = useFilters()
  const range = filter('range')
  return range !== null && range in ranges ? (range as Range) : '24h'
}

/** Since when, to the minute, and no longer ago: what is asked for must not be another thing at every look. */
export function useSince(range: Range): string {
  const minute = Math.ceil(Date.now() / 60_000)
  return useMemo(() => new Date((minute - ranges[range] / 60) * 60_000).toISOString(), [minute, range])
}

export function RangeControl() {
  const range = useRange()
  const [, set] = useFilters()
  return (
    <SegmentedControl
      className="segments"
      size="xs"
      aria-label="Time range"
      value={range}
      onChange={(value) => set({ range: value === '24h' ? null : value, cursor: null })}
      data={[
        { value: '1h', label: '1 h' },
        { value: '24h', label: '24 h' },
        { value: '7d', label: '7 d' },
        { value: '30d', label: '30 d' },
      ]}
    />
  )
}

export function useLive(): boolean {
  const [filter] = useFilters()
  return filter('live') === '1'
}

/** While it is on, what is shown follows what happens. */
export function LiveSwitch() {
  const isLive = useLive()
  const [, set] = useFilters()
  return (
    <Switch
      size="sm"
      label="Live"
      className={isLive ? 'live-switch on' : 'live-switch'}
      checked={isLive}
      onChange={(event) => set({ live: event.currentTarget.checked ? '1' : null })}
    />
  )
}
