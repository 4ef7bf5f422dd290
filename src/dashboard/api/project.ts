import { createContext, useContext } from 'react'

/** The project in the URL; everything that is shown is of it. */
export const ProjectContext = createContext<string | null>(null)

export function useProjectId(): string {
  const id = useContext(ProjectContext)
  if (id === null) throw new Error('This is shown outside of a project.')
  return id
}

/** The address of a page of the project. */
export function usePath(): (path: string) => string {
  const id = useProjectId()
  return (path) => `/projects/${id}${path}`
}
