import { useSyncExternalStore } from 'react'
import type { SessionState } from '../api/types.ts'

/**
 * Who is logged in, as the server last told. The session itself is a cookie that no script can read: a script that got
 * into the page could use it, but not carry it away.
 */

export type Session = NonNullable<SessionState['session']>
export type Role = 'view' | 'publish' | 'manage' | 'admin'

let state: SessionState | undefined
const listeners = new Set<() => void>()

/** Undefined until the server was asked. */
export function useSessionState(): SessionState | undefined {
  return useSyncExternalStore(subscribe, () => state)
}

export function useSession(): Session | null {
  return useSessionState()?.session ?? null
}

export function enter(next: SessionState): void {
  state = next
  for (const listener of listeners) listener()
}

/** The server knows it no more. */
export function forget(): void {
  if (state?.session) enter({ ...state, session: null })
}

/** What a call needs besides the cookie: another site's page could send that, but not this. */
export function credentials(method: string): Record<string, string> {
  return state?.session && method !== 'GET' ? { 'x-csrf-token': state.session.csrf_token } : {}
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}
