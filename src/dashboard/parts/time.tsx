import { useEffect, useState, useSyncExternalStore } from 'react'
import { countdown, durationWords, relative, utc } from './words.ts'

/** One tick each second for all that shows time, and none while nobody does. */
let now = Date.now()
const listeners = new Set<() => void>()
let ticking: ReturnType<typeof setInterval> | undefined

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  ticking ??= setInterval(() => {
    now = Date.now()
    for (const each of listeners) each()
  }, 1000)
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    clearInterval(ticking)
    ticking = undefined
  }
}

/** In milliseconds, to the second. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now)
}

/** How long ago, and on hover the moment in UTC. */
export function Ago({ at, empty = '–' }: { at: string | null | undefined; empty?: string }) {
  const nowMs = useNow()
  if (!at) return <span className="muted">{empty}</span>
  return (
    <time className="num nowrap" dateTime={at} title={utc(at)}>
      {relative(Date.parse(at), Math.max(nowMs, Date.now()))}
    </time>
  )
}

/** The moment itself, and on hover how long ago. */
export function Moment({ at }: { at: string }) {
  return (
    <time className="num nowrap" dateTime={at} title={utc(at)}>
      {utc(at)}
    </time>
  )
}

/** Counts down to a moment: `00:04:10`, then what it says when the time has come. */
export function Countdown({ to, due = 'due now' }: { to: string; due?: string }) {
  const nowMs = Math.max(useNow(), Date.now())
  const leftMs = Date.parse(to) - nowMs
  return (
    <time className="num nowrap" dateTime={to} title={utc(to)}>
      {leftMs > 0 ? countdown(leftMs) : due}
    </time>
  )
}

export function Duration({ ms }: { ms: number | null | undefined }) {
  if (ms === null || ms === undefined) return <span className="muted">–</span>
  return <span className="num nowrap">{durationWords(ms)}</span>
}

/** True for a moment after `mark()`. */
export function useMoment(ms = 1500): [boolean, () => void] {
  const [isOn, setOn] = useState(0)
  useEffect(() => {
    if (isOn === 0) return undefined
    const timer = setTimeout(() => setOn(0), ms)
    return () => clearTimeout(timer)
  }, [isOn, ms])
  return [isOn !== 0, () => setOn((before) => before + 1)]
}
