import { ActionIcon, Button, Modal, NativeSelect, TextInput } from '@mantine/core'
import { useState } from 'react'
import { ApiError } from '../api/client.ts'
import { useProjectChange, useProjectList } from '../api/queries.ts'
import type { CreatedInvitation, Invitation, KeyRole, Member } from '../api/types.ts'
import { Icon } from '../parts/icons.tsx'
import { Card, Page } from '../parts/page.tsx'
import { useRemoval } from '../parts/removal.tsx'
import { Empty, Loading, Problem } from '../parts/states.tsx'
import { Badge } from '../parts/status.tsx'
import { type Column, More, Table } from '../parts/table.tsx'
import { Ago } from '../parts/time.tsx'
import { tell, tellError } from '../parts/toasts.tsx'
import { useCurl } from '../parts/webhook-name.tsx'
import { visible } from '../parts/words.ts'
import { useMay } from '../shell/project.ts'
import { LinkToSend } from './link-to-send.tsx'

export default function People() {
  const mayManage = useMay('manage')
  const [isInviting, setInviting] = useState(false)
  return (
    <Page
      title="People"
      about={
        <span className="soft">
          Who may log in to this project, and with which role. The owner may do everything everywhere.
        </span>
      }
      actions={
        mayManage && (
          <Button leftSection={<Icon name="plus" size={14} />} onClick={() => setInviting(true)}>
            Invite
          </Button>
        )
      }
    >
      <Members mayManage={mayManage} />
      <Invitations mayManage={mayManage} />
      {isInviting && <Invite close={() => setInviting(false)} />}
    </Page>
  )
}

export const roles: { value: KeyRole; label: string }[] = [
  { value: 'view', label: 'view: reads everything' },
  { value: 'publish', label: 'publish: publishes events too' },
  { value: 'manage', label: 'manage: does everything in it' },
]

function Members({ mayManage }: { mayManage: boolean }) {
  const curl = useCurl()
  const list = useProjectList<'members', Member>('members', '/members')
  const removal = useRemoval<Member>({
    word: 'Remove',
    pathOf: ({ user_id }) => `/members/${user_id}`,
    nameOf: ({ email }) => email,
    consequence: 'They can see and change nothing of this project any more, from this moment on.',
  })
  const change = useProjectChange<{ id: string; role: string }, Member>((send, { id, role }) =>
    send('PATCH', `/members/${id}`, { role }),
  )
  if (list.error && !list.items) return <Problem error={list.error} retry={() => void list.refetch()} />
  if (!list.items) return <Loading rows={3} />
  if (list.items.length === 0) {
    return (
      <Empty
        icon="people"
        title="Nobody was let in yet"
        curl={curl('POST', '/invitations', { email: 'grace@example.com', role: 'view' })}
      >
        Invite people by email: you get a link to send them. Whoever opens it sets a password and is in.
      </Empty>
    )
  }
  const columns: Column<Member>[] = [
    {
      name: 'name',
      head: 'Name',
      isWide: true,
      cell: ({ name, email }) => (
        <div className="two-lines">
          <span className="row-title anywhere">{visible(name ?? email)}</span>
          {name && <span className="muted small anywhere">{visible(email)}</span>}
        </div>
      ),
    },
    {
      name: 'role',
      head: 'Role',
      cell: ({ user_id, email, role }) =>
        mayManage ? (
          <NativeSelect
            className="small-select"
            aria-label={`Role of ${email}`}
            value={role}
            onChange={(event) =>
              change.mutate(
                { id: user_id, role: event.currentTarget.value },
                { onSuccess: () => tell('Changed'), onError: tellError },
              )
            }
            data={roles}
          />
        ) : (
          <Badge tone="grey">{role}</Badge>
        ),
    },
    {
      name: 'since',
      head: 'Since',
      align: 'right',
      narrow: 'hidden',
      cell: ({ created_at }) => <Ago at={created_at} />,
    },
    ...(mayManage ? [removal.column] : []),
  ]
  return (
    <div className="card">
      <Table label="Members" columns={columns} rows={list.items} keyOf={({ user_id }) => user_id} />
      <More query={list} />
      {removal.dialog}
    </div>
  )
}

function Invitations({ mayManage }: { mayManage: boolean }) {
  const list = useProjectList<'invitations', Invitation>('invitations', '/invitations')
  const remove = useProjectChange<string, undefined>((send, id) => send('DELETE', `/invitations/${id}`))
  if (list.error && !list.items) return <Problem error={list.error} retry={() => void list.refetch()} />
  if (!list.items || list.items.length === 0) return null
  const columns: Column<Invitation>[] = [
    {
      name: 'email',
      head: 'Email',
      isWide: true,
      cell: ({ email }) => <span className="row-title anywhere">{visible(email)}</span>,
    },
    { name: 'role', head: 'Role', cell: ({ role }) => <Badge tone="grey">{role}</Badge> },
    {
      name: 'expires',
      head: 'Link',
      cell: ({ expires_at }) =>
        Date.parse(expires_at) > Date.now() ? (
          <span className="soft">
            ends <Ago at={expires_at} />
          </span>
        ) : (
          <Badge tone="grey" icon="inactive">
            Ended
          </Badge>
        ),
    },
    ...(mayManage
      ? [
          {
            name: 'remove',
            head: <span className="visually-hidden">Take back</span>,
            align: 'right' as const,
            cell: ({ id, email }: Invitation) => (
              <ActionIcon
                aria-label={`Take back the invitation of ${email}`}
                title="Take back"
                onClick={() =>
                  remove.mutate(id, {
                    onSuccess: () => tell('The link opens nothing any more'),
                    onError: tellError,
                  })
                }
              >
                <Icon name="trash" size={15} />
              </ActionIcon>
            ),
          },
        ]
      : []),
  ]
  return (
    <Card title="Invited" flush>
      <Table label="Invitations" columns={columns} rows={list.items} keyOf={({ id }) => id} />
      <More query={list} />
    </Card>
  )
}

function Invite({ close }: { close: () => void }) {
  const [email, setEmail] = useState('')
  const [role, setRole] = useState<string>('view')
  const create = useProjectChange<void, CreatedInvitation>((send) =>
    send('POST', '/invitations', { email: email.trim(), role }),
  )
  if (create.data) {
    return (
      <LinkToSend
        title={`Send this to ${create.data.email}`}
        url={create.data.url}
        expiresAt={create.data.expires_at}
        close={close}
      />
    )
  }
  return (
    <Modal opened onClose={close} title="Invite" size={440}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault()
          create.mutate()
        }}
      >
        <TextInput
          label="Email"
          type="email"
          placeholder="grace@example.com"
          value={email}
          onChange={(event) => setEmail(event.currentTarget.value)}
          error={
            create.error &&
            (create.error instanceof ApiError
              ? (create.error.fieldError('email') ?? create.error.message)
              : create.error.message)
          }
          data-autofocus
        />
        <NativeSelect
          label="Role"
          value={role}
          onChange={(event) => setRole(event.currentTarget.value)}
          data={roles}
        />
        <div className="row end">
          <Button variant="default" onClick={close}>
            Close
          </Button>
          <Button type="submit" disabled={email.trim() === ''} loading={create.isPending}>
            Make the link
          </Button>
        </div>
      </form>
    </Modal>
  )
}
