import { useQuery } from '@tanstack/react-query'
import { get } from '../api/client.ts'
import { useProjectId } from '../api/project.ts'
import type { Page, Project } from '../api/types.ts'
import { type Role, type Session, useSession } from '../session/session.ts'

type MyProject = Pick<Project, 'id' | 'name'>

/** The projects that may be seen: those that the session names, or all. */
export function useMyProjects() {
  const own = useSession()?.projects ?? null
  const all = useQuery({
    queryKey: ['projects'],
    queryFn: async ({ signal }): Promise<MyProject[]> =>
      (await get<Page<'projects', Project>>('/projects', { limit: 100 }, signal)).projects,
    staleTime: 60_000,
    enabled: own === null,
  })
  return own === null ? all : { data: own as MyProject[], error: null, refetch: () => {} }
}

const ranks: Role[] = ['view', 'publish', 'manage', 'admin']

/** Whether who is logged in may do what needs this role. The server decides; this only spares clicks. */
export function useMay(needed: Role): boolean {
  const session = useSession()
  const projectId = useProjectId()
  return session !== null && ranks.indexOf(roleIn(session, projectId)) >= ranks.indexOf(needed)
}

function roleIn({ is_owner, projects }: Session, projectId: string): Role {
  if (is_owner || projects === null) return 'admin'
  return projects.find(({ id }) => id === projectId)?.role ?? 'view'
}
