import { Button, Modal, NativeSelect, Radio, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useProjectChange, useProjectList } from '../api/queries.ts'
import type { ApiKey, CreatedApiKey, KeyRole } from '../api/types.ts'
import { Code, CopyButton, Id } from '../parts/copy.tsx'
import { Icon } from '../parts/icons.tsx'
import { Page } from '../parts/page.tsx'
import { useRemoval } from '../parts/removal.tsx'
import { Empty, Loading, Problem } from '../parts/states.tsx'
import { Badge } from '../parts/status.tsx'
import { type Column, More, Table } from '../parts/table.tsx'
import { Ago } from '../parts/time.tsx'
import { tell } from '../parts/toasts.tsx'
import { useCurl } from '../parts/webhook-name.tsx'
import { useMay } from '../shell/project.ts'

export default function Keys() {
  const mayManage = useMay('manage')
  const [isCreating, setCreating] = useState(false)
  return (
    <Page
      title="API keys"
      about={
        <span className="soft">
          A key opens this project and nothing else. Its text is shown once, when it is made.
        </span>
      }
      actions={
        mayManage && (
          <Button leftSection={<Icon name="plus" size={14} />} onClick={() => setCreating(true)}>
            Create key
          </Button>
        )
      }
    >
      <KeyList mayManage={mayManage} />
      {isCreating && <NewKey close={() => setCreating(false)} />}
    </Page>
  )
}

function KeyList({ mayManage }: { mayManage: boolean }) {
  const curl = useCurl()
  const list = useProjectList<'api_keys', ApiKey>('api_keys', '/api-keys')
  const removal = useRemoval<ApiKey>({
    word: 'Revoke',
    pathOf: ({ id }) => `/api-keys/${id}`,
    nameOf: ({ name }) => name,
    consequence: 'Whatever uses it is refused from this moment on.',
  })
  if (list.error && !list.items) return <Problem error={list.error} retry={() => void list.refetch()} />
  if (!list.items) return <Loading />
  if (list.items.length === 0) {
    return (
      <Empty
        icon="keys"
        title="No keys yet"
        curl={curl('POST', '/api-keys', { name: 'shop backend', role: 'publish' })}
      >
        Programs that publish events need one.
      </Empty>
    )
  }
  const columns: Column<ApiKey>[] = [
    {
      name: 'name',
      head: 'Name',
      isWide: true,
      cell: (row) => <span className="row-title anywhere">{row.name}</span>,
    },
    {
      name: 'role',
      head: 'Role',
      cell: (row) => <Badge tone={row.role === 'manage' ? 'blue' : 'grey'}>{row.role}</Badge>,
    },
    { name: 'id', head: 'Id', narrow: 'hidden', cell: (row) => <Id id={row.id} /> },
    { name: 'used', head: 'Last used', cell: (row) => <Ago at={row.last_used_at} empty="never" /> },
    { name: 'expires', head: 'Expires', narrow: 'hidden', cell: (row) => <Expiry at={row.expires_at} /> },
    {
      name: 'created',
      head: 'Created',
      align: 'right',
      narrow: 'hidden',
      cell: (row) => <Ago at={row.created_at} />,
    },
    ...(mayManage ? [removal.column] : []),
  ]
  return (
    <div className="card">
      <Table label="API keys" columns={columns} rows={list.items} keyOf={({ id }) => id} />
      <More query={list} />
      {removal.dialog}
    </div>
  )
}

function Expiry({ at }: { at: string | null }) {
  if (at === null) return <span className="muted">never</span>
  if (Date.parse(at) > Date.now()) return <Ago at={at} />
  return (
    <Badge tone="grey" icon="inactive">
      Expired
    </Badge>
  )
}

const roles: { value: KeyRole; about: string }[] = [
  { value: 'view', about: 'Reads everything of the project.' },
  { value: 'publish', about: 'Publishes events too.' },
  { value: 'manage', about: 'Does everything inside the project.' },
]

const lifetimes = [
  { value: '', label: 'Never' },
  { value: '7', label: 'In 7 days' },
  { value: '30', label: 'In 30 days' },
  { value: '90', label: 'In 90 days' },
  { value: '365', label: 'In a year' },
]

function NewKey({ close }: { close: () => void }) {
  const [name, setName] = useState('')
  const [role, setRole] = useState<KeyRole>('publish')
  const [days, setDays] = useState('')
  const create = useProjectChange<void, CreatedApiKey>((send) =>
    send('POST', '/api-keys', {
      name: name.trim(),
      role,
      ...(days && { expires_at: new Date(Date.now() + Number(days) * 86_400_000).toISOString() }),
    }),
  )
  if (create.data) return <CreatedKey created={create.data} close={close} />
  return (
    <Modal opened onClose={close} title="Create key" size={440}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault()
          create.mutate()
        }}
      >
        <TextInput
          label="Name"
          placeholder="shop backend"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          error={create.error?.message}
          data-autofocus
        />
        <Radio.Group label="Role" value={role} onChange={(value) => setRole(value)}>
          <div className="stack tight radios">
            {roles.map(({ value, about }) => (
              <Radio key={value} value={value} label={value} description={about} />
            ))}
          </div>
        </Radio.Group>
        <NativeSelect
          label="Expires"
          value={days}
          onChange={(event) => setDays(event.currentTarget.value)}
          data={lifetimes}
        />
        <div className="row end">
          <Button variant="default" onClick={close}>
            Close
          </Button>
          <Button type="submit" disabled={name.trim() === ''} loading={create.isPending}>
            Create
          </Button>
        </div>
      </form>
    </Modal>
  )
}

function CreatedKey({ created, close }: { created: CreatedApiKey; close: () => void }) {
  const curl = useCurl()
  return (
    <Modal
      opened
      onClose={close}
      title={`${created.name}: keep the key`}
      size={560}
      closeOnClickOutside={false}
    >
      <div className="stack">
        <div className="secret-box">
          <code>{created.key}</code>
          <CopyButton text={created.key} label="Copy the key" word="Copy" />
        </div>
        <p className="soft small">It is shown this once: only its hash is stored.</p>
        <Code
          label="Shell"
          text={`export POSTRIDER_KEY='${created.key}'\n${created.role === 'view' ? curl('GET', '/deliveries') : curl('POST', '/events', { type: 'config.deployed', data: { version: 7 } })}`}
        />
        <div className="row end">
          <Button
            onClick={() => {
              tell(`${created.name} was created`)
              close()
            }}
          >
            I have it
          </Button>
        </div>
      </div>
    </Modal>
  )
}
