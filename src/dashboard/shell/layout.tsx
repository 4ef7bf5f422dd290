import { type ReactNode, useEffect } from 'react'
import { ProjectContext } from '../api/project.ts'
import { Header } from './header.tsx'
import { rememberProject } from './last-project.ts'
import { Navigation } from './navigation.tsx'

/** What stands around every page of a project. */
export function Layout({ projectId, children }: { projectId: string; children: ReactNode }) {
  useEffect(() => rememberProject(projectId), [projectId])
  return (
    <ProjectContext value={projectId}>
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <div className="shell">
        <Header />
        <Navigation />
        <main id="content" className="content" tabIndex={-1}>
          {children}
        </main>
      </div>
    </ProjectContext>
  )
}
