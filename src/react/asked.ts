import { useCallback, useEffect, useRef, useState } from 'react'
import { useGround } from './provider.tsx'

/** What was asked of the server, and where that stands. */
export interface Asked<Answer> {
  /** The newest answer; it stays while it is asked for again, and when that fails. */
  data: Answer | undefined
  /** Why the last question failed. */
  error: Error | undefined
  /** There is no answer yet. */
  isLoading: boolean
  /** Asks again now. */
  reload: () => void
}

interface Known<Answer> {
  /** Of which question. */
  key: string
  data: Answer | undefined
  error: Error | undefined
}

/**
 * Asks, and asks again every so often while the page is seen, and after each change that was made here. `key` tells one
 * question from another: what was answered to another one is not shown.
 */
export function useAsked<Answer>(key: string, ask: (signal: AbortSignal) => Promise<Answer>): Asked<Answer> {
  const { project, refreshSeconds, turn } = useGround()
  const [known, setKnown] = useState<Known<Answer>>()
  const [reloads, setReloads] = useState(0)
  const latestAsk = useRef(ask)
  const whole = `${project.id} ${key}`
  useEffect(() => {
    latestAsk.current = ask
  })
  useEffect(() => {
    const ended = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const tell = (answer: Partial<Known<Answer>>): void => {
      if (ended.signal.aborted) return
      setKnown((before) => ({
        key: whole,
        data: before?.key === whole ? before.data : undefined,
        error: undefined,
        ...answer,
      }))
    }
    const look = async (isFirst = false): Promise<void> => {
      // Nobody looks at a hidden page: what is new is asked for when it is seen again.
      if (isFirst || document.visibilityState !== 'hidden') {
        try {
          tell({ data: await latestAsk.current(ended.signal) })
        } catch (error) {
          tell({ error: error as Error })
        }
      }
      if (refreshSeconds > 0 && !ended.signal.aborted) {
        timer = setTimeout(() => void look(), refreshSeconds * 1_000)
      }
    }
    void look(true)
    return () => {
      ended.abort()
      clearTimeout(timer)
    }
    // `project` stands for the server and the key, which `whole` does not tell.
  }, [whole, project, refreshSeconds, turn, reloads])
  const reload = useCallback(() => setReloads((before) => before + 1), [])
  const isKnown = known?.key === whole
  return {
    data: isKnown ? known.data : undefined,
    error: isKnown ? known.error : undefined,
    isLoading: !isKnown || (known.data === undefined && known.error === undefined),
    reload,
  }
}
