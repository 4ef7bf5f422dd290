import { Button, Modal, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useProjectChange, useProjectList } from '../api/queries.ts'
import type { Application } from '../api/types.ts'
import { Id } from '../parts/copy.tsx'
import { Icon } from '../parts/icons.tsx'
import { Page } from '../parts/page.tsx'
import { useRemoval } from '../parts/removal.tsx'
import { Empty, Loading, Problem } from '../parts/states.tsx'
import { type Column, More, Table } from '../parts/table.tsx'
import { Ago } from '../parts/time.tsx'
import { tell } from '../parts/toasts.tsx'
import { useCurl } from '../parts/webhook-name.tsx'
import { useMay } from '../shell/project.ts'

export default function Applications() {
  const mayManage = useMay('manage')
  const [isCreating, setCreating] = useState(false)
  return (
    <Page
      title="Applications"
      about={
        <span className="soft">
          Whose events they are: a webhook with an application gets only events of that one.
        </span>
      }
      actions={
        mayManage && (
          <Button leftSection={<Icon name="plus" size={14} />} onClick={() => setCreating(true)}>
            Create application
          </Button>
        )
      }
    >
      <ApplicationList mayManage={mayManage} />
      {isCreating && <NewApplication close={() => setCreating(false)} />}
    </Page>
  )
}

function ApplicationList({ mayManage }: { mayManage: boolean }) {
  const curl = useCurl()
  const list = useProjectList<'applications', Application>('applications', '/applications')
  const removal = useRemoval<Application>({
    word: 'Delete',
    pathOf: ({ id }) => `/applications/${id}`,
    nameOf: ({ name }) => name,
    consequence: 'Webhooks that are for it become inactive, instead of getting the events of all others.',
  })
  if (list.error && !list.items) return <Problem error={list.error} retry={() => void list.refetch()} />
  if (!list.items) return <Loading />
  if (list.items.length === 0) {
    return (
      <Empty
        icon="applications"
        title="No applications yet"
        curl={curl('POST', '/applications', { name: 'checkout' })}
      >
        One for each of your customers or services is usual. Events may go without.
      </Empty>
    )
  }
  const columns: Column<Application>[] = [
    {
      name: 'name',
      head: 'Name',
      isWide: true,
      cell: (row) => <span className="row-title anywhere">{row.name}</span>,
    },
    { name: 'id', head: 'Id', cell: (row) => <Id id={row.id} /> },
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
      <Table label="Applications" columns={columns} rows={list.items} keyOf={({ id }) => id} />
      <More query={list} />
      {removal.dialog}
    </div>
  )
}

function NewApplication({ close }: { close: () => void }) {
  const [name, setName] = useState('')
  const create = useProjectChange<void, Application>((send) =>
    send('POST', '/applications', { name: name.trim() }),
  )
  return (
    <Modal opened onClose={close} title="Create application" size={420}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault()
          create.mutate(undefined, {
            onSuccess: () => {
              tell(`${name.trim()} was created`)
              close()
            },
          })
        }}
      >
        <TextInput
          label="Name"
          placeholder="checkout"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          error={create.error?.message}
          data-autofocus
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
