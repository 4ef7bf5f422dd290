import {
  ActionIcon,
  Menu,
  Modal,
  UnstyledButton,
  useComputedColorScheme,
  useMantineColorScheme,
} from '@mantine/core'
import { useHotkeys } from '@mantine/hooks'
import { lazy, Suspense, useState } from 'react'
import { Link, useLocation } from 'wouter'
import { usePath, useProjectId } from '../api/project.ts'
import { queryClient } from '../api/queries.ts'
import { baseUrl, call, get } from '../api/client.ts'
import type { SessionState } from '../api/types.ts'
import { Icon } from '../parts/icons.tsx'
import { tellError } from '../parts/toasts.tsx'
import { enter, useSession } from '../session/session.ts'
import { Mark } from './mark.tsx'
import { NewProject } from './new-project.tsx'
import { useMay, useMyProjects } from './project.ts'

const Finder = lazy(() => import('./finder.tsx'))
const isMac = /mac|iphone|ipad/i.test(navigator.userAgent)

export function Header() {
  const path = usePath()
  const [isFinding, setFinding] = useState(false)
  useHotkeys([['mod+K', () => setFinding(true)]], [])
  return (
    <header className="header">
      <Link href={path('')} className="home" aria-label="Postrider, overview">
        <Mark />
      </Link>
      <ProjectSwitch />
      <UnstyledButton className="find" onClick={() => setFinding(true)} aria-keyshortcuts="Meta+K Control+K">
        <Icon name="search" size={14} />
        <span className="find-word">Find an id or a name</span>
        <kbd>{isMac ? '⌘K' : 'Ctrl K'}</kbd>
      </UnstyledButton>
      <div className="header-end">
        <SchemeSwitch />
        <You />
      </div>
      {isFinding && (
        <Suspense>
          <Finder close={() => setFinding(false)} />
        </Suspense>
      )}
    </header>
  )
}

function ProjectSwitch() {
  const projectId = useProjectId()
  const projects = useMyProjects()
  const mayCreate = useMay('admin')
  const [isCreating, setCreating] = useState(false)
  const [, navigate] = useLocation()
  const here = projects.data?.find(({ id }) => id === projectId)
  return (
    <>
      <Menu position="bottom-start" width={260}>
        <Menu.Target>
          <UnstyledButton className="project-switch">
            <span className="visually-hidden">Project: </span>
            <span
              className="project-dot"
              aria-hidden="true"
              data-letter={(here?.name ?? '?').slice(0, 1).toUpperCase()}
            />
            <span className="truncate">{here?.name ?? '…'}</span>
            <Icon name="chevron" size={14} />
          </UnstyledButton>
        </Menu.Target>
        <Menu.Dropdown className="project-menu">
          <Menu.Label>Projects</Menu.Label>
          {projects.data?.map(({ id, name }) => (
            <Menu.Item
              key={id}
              onClick={() => navigate(`/projects/${id}`)}
              rightSection={id === projectId ? <Icon name="delivered" size={14} /> : undefined}
            >
              <span className="anywhere">{name}</span>
            </Menu.Item>
          ))}
          {mayCreate && (
            <>
              <Menu.Divider />
              <Menu.Item leftSection={<Icon name="plus" size={14} />} onClick={() => setCreating(true)}>
                Create project
              </Menu.Item>
            </>
          )}
        </Menu.Dropdown>
      </Menu>
      <Modal opened={isCreating} onClose={() => setCreating(false)} title="Create project" size={420}>
        <NewProject done={() => setCreating(false)} />
      </Modal>
    </>
  )
}

function SchemeSwitch() {
  const { setColorScheme } = useMantineColorScheme()
  const scheme = useComputedColorScheme('light')
  const other = scheme === 'dark' ? 'light' : 'dark'
  return (
    <ActionIcon
      aria-label={`Switch to ${other} colours`}
      title={`Switch to ${other} colours`}
      onClick={() => setColorScheme(other)}
    >
      <Icon name={scheme === 'dark' ? 'sun' : 'moon'} />
    </ActionIcon>
  )
}

function You() {
  const session = useSession()
  const path = usePath()
  const [, navigate] = useLocation()
  const name =
    session?.user?.name ?? session?.user?.email ?? (session?.kind === 'admin_key' ? 'Admin key' : 'API key')
  return (
    <Menu position="bottom-end" width={230}>
      <Menu.Target>
        <ActionIcon aria-label={`You: ${name}`} title={name}>
          <Icon name="more" />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          <span className="anywhere">{name}</span>
        </Menu.Label>
        <Menu.Item onClick={() => navigate(path('/account'))}>Sessions and password</Menu.Item>
        {session?.is_owner && <Menu.Item onClick={() => navigate(path('/users'))}>All users</Menu.Item>}
        <Menu.Item component="a" href={new URL('docs', baseUrl).href} target="_blank" rel="noreferrer">
          API documentation
        </Menu.Item>
        <Menu.Divider />
        <Menu.Item leftSection={<Icon name="exit" size={14} />} onClick={() => void logOut()}>
          Log out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}

async function logOut(): Promise<void> {
  try {
    await call('DELETE', '/session')
    queryClient.clear()
    enter(await get<SessionState>('/session'))
  } catch (error) {
    tellError(error as Error)
  }
}
