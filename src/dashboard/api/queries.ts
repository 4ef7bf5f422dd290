import {
  keepPreviousData,
  QueryClient,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from '@tanstack/react-query'
import { useEffect, useMemo } from 'react'
import { useProjectId } from './project.ts'
import { useLive } from '../parts/filters.tsx'
import { ApiError, call, get, type Query } from './client.ts'
import type { Page } from './types.ts'

/** What is asked of the server, remembered by what was asked. Everything of a project stands under its id. */

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      refetchOnWindowFocus: true,
      retry: (failures, error) =>
        failures < 2 && !(error instanceof ApiError && error.status >= 400 && error.status < 500),
      retryDelay: 600,
    },
  },
})

/** How often what is shown live is asked for again, where no event of the stream says that it changed. */
const liveMs = 2_000

export interface AskOptions {
  query?: Query
  /** Asked for again and again, whether the Live switch is on or not. */
  everyMs?: number | undefined
  isEnabled?: boolean
}

/** One thing of the project in the URL; `path` is relative to the project. */
export function useProjectQuery<Answer>(
  path: string,
  { query = {}, everyMs, isEnabled = true }: AskOptions = {},
) {
  const projectId = useProjectId()
  const isLive = useLive()
  return useQuery({
    queryKey: [projectId, path, query],
    queryFn: ({ signal }) => get<Answer>(`/projects/${projectId}${path}`, query, signal),
    refetchInterval: everyMs ?? (isLive ? liveMs : false),
    placeholderData: keepPreviousData,
    enabled: isEnabled,
  })
}

/** How far the search for a first row goes by itself. */
const mostEmptyPages = 40

/** A list of the project, page after page. */
export function useProjectList<Plural extends string, Item>(
  plural: Plural,
  path: string,
  { query = {}, everyMs, isEnabled = true }: AskOptions = {},
) {
  const projectId = useProjectId()
  const isLive = useLive()
  const asked = useInfiniteQuery({
    queryKey: [projectId, path, 'list', query],
    queryFn: ({ pageParam, signal }) =>
      get<Page<Plural, Item>>(`/projects/${projectId}${path}`, { ...query, cursor: pageParam }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next_cursor,
    // Only what stands on the first page changes by itself.
    refetchInterval: ({ state }) =>
      (state.data?.pages.length ?? 0) > 1 ? false : (everyMs ?? (isLive ? liveMs : false)),
    placeholderData: keepPreviousData,
    enabled: isEnabled,
  })
  const pages = asked.data?.pages
  const found = useMemo(() => pages?.flatMap((page) => page[plural]), [pages, plural])
  // What is sought without an index may be far back: pages are empty then, and there are more.
  const isSearching = found?.length === 0 && asked.hasNextPage && pages!.length < mostEmptyPages
  const { isFetching, fetchNextPage } = asked
  useEffect(() => {
    if (isSearching && !isFetching) void fetchNextPage()
  }, [isSearching, isFetching, fetchNextPage])
  return { ...asked, items: isSearching ? undefined : found }
}

/** Everything that a short list holds, up to a thousand: for names beside ids and for choices. */
export function useProjectAll<Plural extends string, Item>(
  plural: Plural,
  path: string,
  { isEnabled = true } = {},
) {
  const projectId = useProjectId()
  return useQuery({
    queryKey: [projectId, path, 'all'],
    queryFn: async ({ signal }) => {
      const items: Item[] = []
      let cursor: string | null = null
      do {
        const page: Page<Plural, Item> = await get(
          `/projects/${projectId}${path}`,
          { limit: 100, cursor },
          signal,
        )
        items.push(...page[plural])
        cursor = page.next_cursor
      } while (cursor !== null && items.length < 1000)
      return items
    },
    staleTime: 30_000,
    enabled: isEnabled,
  })
}

/** A change in the project; what was asked before is asked again afterwards. */
export function useProjectChange<Input, Answer>(
  change: (
    send: <Result>(method: string, path: string, body?: unknown) => Promise<Result>,
    input: Input,
  ) => Promise<Answer>,
) {
  const projectId = useProjectId()
  const client = useQueryClient()
  return useMutation<Answer, Error, Input>({
    mutationFn: (input) =>
      change((method, path, body) => call(method, `/projects/${projectId}${path}`, { body }), input),
    onSettled: () => client.invalidateQueries({ queryKey: [projectId] }),
  })
}
