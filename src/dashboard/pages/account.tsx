import { Button, PasswordInput } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { ApiError, call, get } from '../api/client.ts'
import type { OpenSession } from '../api/types.ts'
import { Card, Page } from '../parts/page.tsx'
import { Loaded } from '../parts/states.tsx'
import { Badge } from '../parts/status.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { Ago } from '../parts/time.tsx'
import { tell, tellError } from '../parts/toasts.tsx'
import { visible } from '../parts/words.ts'
import { useSession } from '../session/session.ts'

/** One's own sessions and password. */
export default function Account() {
  const session = useSession()
  return (
    <Page
      title="Your account"
      about={session?.user && <span className="soft anywhere">{session.user.email}</span>}
    >
      {session?.user ? (
        <Sessions />
      ) : (
        <p className="soft">You are logged in with a key: it has no sessions or password of its own.</p>
      )}
      {session?.user?.has_password && <Password />}
    </Page>
  )
}

function Sessions() {
  const client = useQueryClient()
  const list = useQuery({
    queryKey: ['sessions'],
    queryFn: ({ signal }) => get<{ sessions: OpenSession[] }>('/sessions', {}, signal),
  })
  const again = { onError: tellError, onSettled: () => client.invalidateQueries({ queryKey: ['sessions'] }) }
  const end = useMutation<unknown, Error, string>({
    mutationFn: (id) => call('DELETE', `/sessions/${id}`),
    ...again,
  })
  const endOthers = useMutation({
    mutationFn: () => call('DELETE', '/sessions'),
    ...again,
    onSuccess: () => tell('All other sessions have ended'),
  })
  const columns: Column<OpenSession>[] = [
    {
      name: 'agent',
      head: 'Browser',
      isWide: true,
      cell: ({ user_agent, address }) => (
        <div className="two-lines">
          <span className="row-title truncate" title={user_agent ?? undefined}>
            {visible(browserOf(user_agent))}
          </span>
          <span className="muted mono">{address}</span>
        </div>
      ),
    },
    {
      name: 'current',
      head: '',
      cell: ({ is_current }) =>
        is_current && (
          <Badge tone="green" icon="delivered">
            This one
          </Badge>
        ),
    },
    { name: 'used', head: 'Last used', cell: ({ last_used_at }) => <Ago at={last_used_at} /> },
    { name: 'created', head: 'Since', narrow: 'hidden', cell: ({ created_at }) => <Ago at={created_at} /> },
    {
      name: 'end',
      head: <span className="visually-hidden">End</span>,
      align: 'right',
      cell: ({ id, is_current }) =>
        !is_current && (
          <Button variant="subtle" color="red" onClick={() => end.mutate(id)}>
            End
          </Button>
        ),
    },
  ]
  return (
    <Card
      title="Sessions"
      flush
      end={
        (list.data?.sessions.length ?? 0) > 1 && (
          <Button variant="default" loading={endOthers.isPending} onClick={() => endOthers.mutate()}>
            End all others
          </Button>
        )
      }
    >
      <Loaded query={list} rows={2}>
        {({ sessions }) => (
          <Table label="Sessions" columns={columns} rows={sessions} keyOf={({ id }) => id} />
        )}
      </Loaded>
    </Card>
  )
}

/** `Firefox on Linux`, as far as it can be told. */
function browserOf(agent: string | null): string {
  if (agent === null) return 'Unknown'
  const [browser] = [...agent.matchAll(/(Firefox|Edg|OPR|Chrome|Safari)\//g)].map(([, name]) => name!)
  const [system] = /Windows|Mac OS X|Android|iPhone|iPad|Linux/.exec(agent) ?? []
  return browser
    ? `${browser.replace('Edg', 'Edge').replace('OPR', 'Opera')}${system ? ` on ${system}` : ''}`
    : agent
}

function Password() {
  const [current, setCurrent] = useState('')
  const [next, setNext] = useState('')
  const change = useMutation({
    mutationFn: () =>
      call('POST', '/session/password', { body: { current_password: current, new_password: next } }),
    onSuccess: () => {
      setCurrent('')
      setNext('')
      tell('The password was changed, and all other sessions have ended')
    },
  })
  const problemOf = (field: string) =>
    change.error instanceof ApiError ? change.error.fieldError(field) : undefined
  const isOfField = problemOf('current_password') !== undefined || problemOf('new_password') !== undefined
  return (
    <Card title="Password">
      <form
        className="stack narrow"
        onSubmit={(event) => {
          event.preventDefault()
          change.mutate()
        }}
      >
        <PasswordInput
          label="Current password"
          autoComplete="current-password"
          value={current}
          onChange={(event) => setCurrent(event.currentTarget.value)}
          error={problemOf('current_password')}
        />
        <PasswordInput
          label="New password"
          description="At least 12 characters."
          autoComplete="new-password"
          value={next}
          onChange={(event) => setNext(event.currentTarget.value)}
          error={problemOf('new_password')}
        />
        {change.error && !isOfField && (
          <p className="red" role="alert">
            {change.error.message}
          </p>
        )}
        <div className="row">
          <Button type="submit" size="sm" disabled={current === '' || next === ''} loading={change.isPending}>
            Change password
          </Button>
        </div>
      </form>
    </Card>
  )
}
