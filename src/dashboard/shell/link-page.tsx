import { Button, PasswordInput, TextInput } from '@mantine/core'
import { type FormEvent, type ReactNode, useState } from 'react'
import { useQuery } from '@tanstack/react-query'
import { useLocation } from 'wouter'
import { ApiError, call } from '../api/client.ts'
import type { LinkDetails, SessionState } from '../api/types.ts'
import { Icon } from '../parts/icons.tsx'
import { Loading } from '../parts/states.tsx'
import { enter } from '../session/session.ts'
import { Mark } from './mark.tsx'

/** What a link opens: becoming the owner, coming into a project, setting a password anew. */
export function LinkPage() {
  // It stands behind the `#`, which goes to no server, and leaves the address bar at once.
  const [token] = useState(() => takeToken())
  const link = useQuery({
    queryKey: ['link', token],
    queryFn: () => call<LinkDetails>('POST', '/links/read', { body: { token } }),
    enabled: token !== '',
    retry: false,
    refetchOnWindowFocus: false,
  })
  if (token === '') return <Closed>This link is not whole: open it again as it was sent.</Closed>
  if (link.error) return <Closed>{link.error.message}</Closed>
  if (!link.data) return <Loading rows={3} />
  return <Accept token={token} link={link.data} />
}

function takeToken(): string {
  const token = new URLSearchParams(location.hash.slice(1)).get('token') ?? ''
  if (token !== '') history.replaceState(history.state, '', location.pathname)
  return token
}

function Closed({ children }: { children: ReactNode }) {
  const [, navigate] = useLocation()
  return (
    <main className="door">
      <div className="card door-card">
        <Mark />
        <h1>This link opens nothing</h1>
        <p className="row red" role="alert">
          <Icon name="warning" />
          <span>{children}</span>
        </p>
        <p className="soft">Links can be used once, and end after a while. Ask for a new one.</p>
        <Button variant="default" size="sm" onClick={() => navigate('/')}>
          To the login
        </Button>
      </div>
    </main>
  )
}

function Accept({ token, link }: { token: string; link: LinkDetails }) {
  const [, navigate] = useLocation()
  const [email, setEmail] = useState('')
  const [name, setName] = useState('')
  const [password, setPassword] = useState('')
  const [error, setError] = useState<Error>()
  const [isBusy, setBusy] = useState(false)
  const isKnown = link.kind === 'member' && link.has_account
  const isNew = link.kind === 'owner' || (link.kind === 'member' && !link.has_account)
  const problemOf = (field: string) => (error instanceof ApiError ? error.fieldError(field) : undefined)

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault()
    setBusy(true)
    setError(undefined)
    const body = {
      token,
      password,
      ...(link.kind === 'owner' && { email: email.trim() }),
      ...(isNew && name.trim() && { name: name.trim() }),
    }
    try {
      enter(await call<SessionState>('POST', '/links/accept', { body }))
      navigate('/', { replace: true })
    } catch (refused) {
      setError(refused as Error)
      setBusy(false)
    }
  }

  return (
    <main className="door">
      <form className="card door-card" onSubmit={(event) => void submit(event)}>
        <Mark />
        <h1>{titles[link.kind]}</h1>
        <p className="soft anywhere">{aboutLink(link)}</p>
        {link.kind === 'owner' ? (
          <TextInput
            label="Email"
            type="email"
            autoComplete="username"
            value={email}
            onChange={(event) => setEmail(event.currentTarget.value)}
            error={problemOf('email')}
            required
            withAsterisk={false}
            data-autofocus
          />
        ) : (
          <input type="hidden" autoComplete="username" value={link.email ?? ''} readOnly />
        )}
        {isNew && (
          <TextInput
            label="Name"
            autoComplete="name"
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={problemOf('name')}
            required
            withAsterisk={false}
          />
        )}
        <PasswordInput
          label={isKnown ? 'Your password' : 'New password'}
          description={isKnown ? undefined : 'At least 12 characters. A few words make a good one.'}
          autoComplete={isKnown ? 'current-password' : 'new-password'}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          error={problemOf('password')}
        />
        {error && !(error instanceof ApiError && error.errors.length > 0) && (
          <p className="red" role="alert">
            {error.message}
          </p>
        )}
        <Button type="submit" size="sm" loading={isBusy} disabled={password === ''}>
          {link.kind === 'password' ? 'Set password' : 'Come in'}
        </Button>
      </form>
    </main>
  )
}

const titles: Record<LinkDetails['kind'], string> = {
  owner: 'Become the owner',
  member: 'You are invited',
  password: 'Set a new password',
}

function aboutLink({ kind, email, project_name, role }: LinkDetails): string {
  if (kind === 'owner') return 'The owner may do everything, in all projects, and invites the others.'
  if (kind === 'member') return `Into the project “${project_name}”, with the role “${role}”, as ${email}.`
  return `For ${email}. It ends all sessions that are open.`
}
