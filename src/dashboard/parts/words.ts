/** Figures and times as people read them. */

const units: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
]
const relativeFormat = new Intl.RelativeTimeFormat('en', { numeric: 'always', style: 'narrow' })

/** `5s ago`, `3 min. ago`, `in 2h`. */
export function relative(atMs: number, nowMs: number): string {
  const seconds = Math.round((atMs - nowMs) / 1000)
  if (Math.abs(seconds) < 3) return 'just now'
  for (const [unit, size] of units) {
    if (Math.abs(seconds) >= size) return relativeFormat.format(Math.trunc(seconds / size), unit)
  }
  return relativeFormat.format(seconds, 'second')
}

export function utc(at: string | number): string {
  return `${new Date(at).toISOString().replace('T', ' ').replace('Z', '')} UTC`
}

/** `00:04:10`, with days in front where there are any. */
export function countdown(ms: number): string {
  const seconds = Math.ceil(ms / 1000)
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0')
  const clock = `${two((seconds % 86_400) / 3600)}:${two((seconds % 3600) / 60)}:${two(seconds % 60)}`
  return seconds >= 86_400 ? `${Math.floor(seconds / 86_400)} d ${clock}` : clock
}

/** `212 ms`, `1.24 s`, `3 min 20 s`, `4 h`. */
export function durationWords(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${trim(ms / 1000)} s`
  return secondsWords(Math.round(ms / 1000))
}

export function secondsWords(seconds: number): string {
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor((seconds % 86_400) / 3600), 'h'],
    [Math.floor((seconds % 3600) / 60), 'min'],
    [Math.round(seconds % 60), 's'],
  ] as const
  const named = parts.filter(([count]) => count > 0).slice(0, 2)
  return named.length === 0 ? '0 s' : named.map(([count, unit]) => `${count} ${unit}`).join(' ')
}

const plain = new Intl.NumberFormat('en')
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

export function count(value: number): string {
  return value < 100_000 ? plain.format(value) : compact.format(value)
}

export function exactCount(value: number): string {
  return plain.format(value)
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${exactCount(value)} ${value === 1 ? one : many}`
}

/** A share from 0 to 1: never `100 %` where something is missing from it. */
export function percent(share: number | null): string {
  if (share === null || Number.isNaN(share)) return '–'
  if (share === 1 || share === 0) return `${share * 100} %`
  const value = Math.min(99.99, Math.max(0.01, share * 100))
  return `${value >= 99 || value < 10 ? trim(value, 2) : trim(value, 1)} %`
}

function trim(value: number, digits = 2): string {
  return String(Number(value.toFixed(digits)))
}

/** The two ends of a UUID: its beginning is a time that many share. */
export function shortId(id: string): string {
  return id.length > 16 ? `${id.slice(0, 8)}…${id.slice(-6)}` : id
}

/**
 * Text that a stranger wrote, with what would hide it or turn it around made visible: control characters and the
 * bidirectional controls of Unicode become their code points.
 */
export function visible(text: string): string {
  return text.replaceAll(
    // oxlint-disable-next-line no-control-regex -- they are what is looked for
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `␛${character.codePointAt(0)!.toString(16).padStart(4, '0')}`.replace('␛', '\\u'),
  )
}
