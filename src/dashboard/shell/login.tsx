import { Button, PasswordInput, SegmentedControl, TextInput } from '@mantine/core'
import { type FormEvent, useState } from 'react'
import { useLocation, useSearchParams } from 'wouter'
import { apiUrl, baseUrl, call } from '../api/client.ts'
import type { LoginError, SessionState } from '../api/types.ts'
import { Icon } from '../parts/icons.tsx'
import { enter } from '../session/session.ts'
import { Mark } from './mark.tsx'

/** By email and password, at the provider, or with a key until there is an owner. */
export function Login({ methods }: { methods: SessionState['login'] }) {
  const [way, setWay] = useState(methods.key ? 'key' : 'email')
  const [params] = useSearchParams()
  const refusal = params.get('error')
  return (
    <main className="door">
      <div className="card door-card">
        <Mark />
        <h1>Log in</h1>
        {refusal !== null && (
          <p className="row red" role="alert">
            <Icon name="warning" />
            {refusals[refusal as LoginError] ?? refusals.failed}
          </p>
        )}
        {methods.key && (
          <SegmentedControl
            className="segments"
            aria-label="How"
            value={way}
            onChange={setWay}
            data={[
              { value: 'key', label: 'Key' },
              { value: 'email', label: 'Email and password' },
            ]}
          />
        )}
        {way === 'key' ? <KeyForm /> : <PasswordForm />}
        {methods.single_sign_on && (
          <Button component="a" href={providerUrl()} variant="default" size="sm">
            Single sign-on
          </Button>
        )}
      </div>
    </main>
  )
}

/** Why the provider's word was not enough. */
const refusals: Record<LoginError, string> = {
  failed: 'Single sign-on did not work, or took longer than ten minutes. Try again.',
  refused: 'The login was refused or given up.',
  unverified: 'The provider does not say that your email is verified.',
  domain: 'Your email is not of a domain that may log in here.',
  uninvited: 'Nobody with your email was invited. Ask for an invitation.',
  disabled: 'Your account is disabled.',
}

/** The provider sends people back to where they wanted to go. */
function providerUrl(): string {
  const path = location.pathname.slice(baseUrl.pathname.length - 1)
  return apiUrl('/session/oidc', { return_to: path === '/login' ? '/' : path + location.search }).href
}

function useLogin() {
  const [problem, setProblem] = useState<string>()
  const [isBusy, setBusy] = useState(false)
  const [at, navigate] = useLocation()
  const logIn = async (event: FormEvent, body: object): Promise<void> => {
    event.preventDefault()
    setBusy(true)
    setProblem(undefined)
    try {
      enter(await call<SessionState>('POST', '/session', { body }))
      if (at === '/login') navigate('/', { replace: true })
    } catch (error) {
      setProblem((error as Error).message)
      setBusy(false)
    }
  }
  return { problem, isBusy, logIn }
}

function KeyForm() {
  const [key, setKey] = useState('')
  const { problem, isBusy, logIn } = useLogin()
  return (
    <form className="stack" onSubmit={(event) => void logIn(event, { key: key.trim() })}>
      <PasswordInput
        label="Key"
        name="key"
        autoComplete="off"
        value={key}
        onChange={(event) => setKey(event.currentTarget.value)}
        error={problem}
      />
      <Button type="submit" size="sm" loading={isBusy} disabled={key.trim() === ''}>
        Log in
      </Button>
      <p className="muted small">
        The admin key, or the key of a project, until somebody is the owner: the link that makes one was
        printed when the server started first.
      </p>
    </form>
  )
}

function PasswordForm() {
  const [email, setEmail] = useState('')
  const [password, setPassword] = useState('')
  const { problem, isBusy, logIn } = useLogin()
  return (
    <form className="stack" onSubmit={(event) => void logIn(event, { email: email.trim(), password })}>
      <TextInput
        label="Email"
        name="email"
        type="email"
        autoComplete="username"
        value={email}
        onChange={(event) => setEmail(event.currentTarget.value)}
      />
      <PasswordInput
        label="Password"
        name="password"
        autoComplete="current-password"
        value={password}
        onChange={(event) => setPassword(event.currentTarget.value)}
        error={problem}
      />
      <Button type="submit" size="sm" loading={isBusy} disabled={email.trim() === '' || password === ''}>
        Log in
      </Button>
    </form>
  )
}
