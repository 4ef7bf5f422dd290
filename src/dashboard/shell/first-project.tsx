import { Redirect } from 'wouter'
import { Loading, Problem } from '../parts/states.tsx'
import { lastProjectId } from './last-project.ts'
import { Mark } from './mark.tsx'
import { NewProject } from './new-project.tsx'
import { useMyProjects } from './project.ts'

/** Leads to the project that was open last, or to the first one. */
export function FirstProject() {
  const projects = useMyProjects()
  if (projects.error) return <Problem error={projects.error} retry={() => void projects.refetch()} />
  if (!projects.data) return <Loading />
  const last = projects.data.find(({ id }) => id === lastProjectId()) ?? projects.data[0]
  if (last) return <Redirect to={`/projects/${last.id}`} replace />
  return (
    <main className="door">
      <div className="card door-card">
        <Mark />
        <h1>Create the first project</h1>
        <NewProject />
      </div>
    </main>
  )
}
