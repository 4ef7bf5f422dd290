import { useSyncExternalStore } from 'react'
import { Icon } from './icons.tsx'

/** What was done, in a word, for a few seconds; read out by screen readers. */
interface Toast {
  id: number
  text: string
  isError: boolean
}

let toasts: Toast[] = []
let lastId = 0
const listeners = new Set<() => void>()
const shownMs = 5_000

export function tell(text: string, { isError = false } = {}): void {
  const toast = { id: (lastId += 1), text, isError }
  change([...toasts.slice(-2), toast])
  setTimeout(() => change(toasts.filter((each) => each.id !== toast.id)), isError ? shownMs * 2 : shownMs)
}

export function tellError(error: Error): void {
  tell(error.message, { isError: true })
}

function change(next: Toast[]): void {
  toasts = next
  for (const listener of listeners) listener()
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export function Toasts() {
  const shown = useSyncExternalStore(subscribe, () => toasts)
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map(({ id, text, isError }) => (
        <div className={isError ? 'toast red' : 'toast'} key={id}>
          <Icon name={isError ? 'warning' : 'delivered'} size={14} />
          <span className="anywhere">{text}</span>
        </div>
      ))}
    </div>
  )
}
