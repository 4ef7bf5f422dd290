import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useEffectEvent, useState } from 'react'
import { credentials } from '../session/session.ts'
import { apiUrl } from './client.ts'
import { useProjectId } from './project.ts'
import type { LiveDelivery, LiveGap } from './types.ts'

export type StreamMessage = { event: 'delivery'; data: LiveDelivery } | { event: 'gap'; data: LiveGap }
export type StreamState = 'connecting' | 'open' | 'broken'

const reconnectMs = 2_000

/**
 * Deliveries as they happen, read with `fetch`: an `EventSource` sends no key. After a cut it goes on where it was.
 */
export function useStream(isOn: boolean, onMessage: (message: StreamMessage) => void): StreamState {
  const projectId = useProjectId()
  const [state, setState] = useState<StreamState>('connecting')
  const tell = useEffectEvent(onMessage)
  useEffect(() => {
    if (!isOn) return undefined
    const ended = new AbortController()
    void follow(projectId, ended.signal, tell, setState)
    return () => ended.abort()
  }, [projectId, isOn])
  return state
}

/** While it is on, lists are asked for again soon after something happened; at most once a second. */
export function useLiveRefresh(isOn: boolean): void {
  const projectId = useProjectId()
  const client = useQueryClient()
  const [changes, setChanges] = useState(0)
  useStream(isOn, () => setChanges((before) => before + 1))
  useEffect(() => {
    if (changes === 0) return undefined
    const timer = setTimeout(() => {
      setChanges(0)
      void client.invalidateQueries({ queryKey: [projectId] })
    }, 700)
    return () => clearTimeout(timer)
    // One refresh for all that happens until then.
  }, [changes > 0, client, projectId])
}

async function follow(
  projectId: string,
  signal: AbortSignal,
  tell: (message: StreamMessage) => void,
  setState: (state: StreamState) => void,
): Promise<void> {
  let lastId: string | undefined
  while (!signal.aborted) {
    try {
      setState('connecting')
      const response = await fetch(apiUrl(`/projects/${projectId}/live`), {
        credentials: 'same-origin',
        headers: { ...credentials('GET'), ...(lastId !== undefined && { 'last-event-id': lastId }) },
        signal,
      })
      if (!response.ok || !response.body) throw new Error(`The stream answered ${response.status}.`)
      setState('open')
      for await (const { id, event, data } of messages(response.body)) {
        if (id !== undefined) lastId = id
        if (event === 'delivery' || event === 'gap') tell({ event, data: JSON.parse(data) })
      }
    } catch {
      if (signal.aborted) return
    }
    setState('broken')
    await new Promise((resolve) => setTimeout(resolve, reconnectMs))
  }
}

interface RawMessage {
  id: string | undefined
  event: string
  data: string
}

/** The fields of each message (HTML § 9.2.6), as far as our server uses them. */
async function* messages(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<RawMessage> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const blocks = (rest + value).split(/\r?\n\r?\n/)
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const fields = new Map<string, string>()
      for (const line of block.split(/\r?\n/)) {
        const [, name = '', text = ''] = /^(\w*): ?(.*)$/.exec(line) ?? []
        if (name) fields.set(name, fields.has(name) ? `${fields.get(name)}\n${text}` : text)
      }
      if (fields.has('data')) {
        yield { id: fields.get('id'), event: fields.get('event') ?? 'message', data: fields.get('data')! }
      }
    }
  }
}
