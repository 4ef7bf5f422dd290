import { createContext, type ReactNode, useCallback, useContext, useMemo, useState } from 'react'
import { PostriderClient, type ProjectClient } from '../client/client.ts'

interface Shared {
  /** How often what is shown is asked for again. 5 by default, 0 for never. */
  refreshSeconds?: number | undefined
  projectId: string
  children?: ReactNode
}

/**
 * Where the deliveries come from: a client, or an address. Whoever uses the page can read a `key` that it has, so give one
 * only to pages of your own people. For customers let `baseUrl` be a path of your backend, which knows who is logged in,
 * passes on the calls of their project alone, and adds the key.
 */
export type PostriderProviderProps = Shared &
  (
    | { client: PostriderClient; baseUrl?: never; key?: never; fetch?: never }
    | {
        client?: never
        /** Of the server, or of the backend in front of it: `/api/postrider`. */
        baseUrl: string
        /** Without it none is sent: the backend adds it. */
        key?: string | undefined
        /** Another `fetch` than the global one, for headers of your own. */
        fetch?: typeof fetch | undefined
      }
  )

interface Ground {
  project: ProjectClient
  refreshSeconds: number
  /** Grows with each change that was made here: what is shown is asked for again. */
  turn: number
  changed: () => void
}

const GroundContext = createContext<Ground | undefined>(undefined)

/**
 * What the hooks and lists in it show the deliveries of.
 *
 *     <PostriderProvider baseUrl="/api/postrider" projectId={projectId}>
 *       <DeliveryList />
 *     </PostriderProvider>
 */
export function PostriderProvider(props: PostriderProviderProps) {
  const { client, baseUrl, key, fetch, projectId, refreshSeconds = 5, children } = props
  const [turn, setTurn] = useState(0)
  const changed = useCallback(() => setTurn((before) => before + 1), [])
  const project = useMemo(
    () => (client ?? clientOf(baseUrl ?? '', key, fetch)).project(projectId),
    [client, baseUrl, key, fetch, projectId],
  )
  const ground = useMemo(
    () => ({ project, refreshSeconds, turn, changed }),
    [project, refreshSeconds, turn, changed],
  )
  return <GroundContext value={ground}>{children}</GroundContext>
}

export function useGround(): Ground {
  const ground = useContext(GroundContext)
  if (!ground) throw new Error('Put a <PostriderProvider> around what shows deliveries.')
  return ground
}

/** The client of the project, for calls that no hook makes. */
export function useProject(): ProjectClient {
  return useGround().project
}

function clientOf(
  baseUrl: string,
  key: string | undefined,
  given: typeof fetch = (...call) => fetch(...call),
): PostriderClient {
  if (key !== undefined) return new PostriderClient({ baseUrl, key, fetch: given })
  const withoutKey: typeof fetch = (input, init) => {
    const headers = new Headers(init?.headers)
    headers.delete('authorization')
    return given(input, { ...init, headers })
  }
  return new PostriderClient({ baseUrl, key: '', fetch: withoutKey })
}
