import { Button, NumberInput, TextInput } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useProjectChange, useProjectQuery } from '../api/queries.ts'
import type { Project } from '../api/types.ts'
import { Card, Page } from '../parts/page.tsx'
import { Loaded } from '../parts/states.tsx'
import { tell } from '../parts/toasts.tsx'
import { useMay } from '../shell/project.ts'

export default function Settings() {
  const project = useProjectQuery<Project>('')
  const mayChange = useMay('admin')
  return (
    <Page
      title="Project"
      about={<span className="soft">What it is called, and how long it keeps what.</span>}
    >
      <Loaded query={project}>
        {/* Made anew after each change, so that the form begins with what the server has. */}
        {(known) => (
          <fieldset className="bare stack narrow" disabled={!mayChange}>
            <Form key={known.updated_at} project={known} />
          </fieldset>
        )}
      </Loaded>
    </Page>
  )
}

type Fields = Pick<Project, 'name' | 'retention_days' | 'payload_retention_days' | 'backlog_limit'>

function Form({ project }: { project: Project }) {
  const [fields, setFields] = useState<Fields>(project)
  const client = useQueryClient()
  const names = ['name', 'retention_days', 'payload_retention_days', 'backlog_limit'] as const
  const changes = Object.fromEntries(
    names.filter((name) => fields[name] !== project[name]).map((name) => [name, fields[name]]),
  )
  const save = useProjectChange<object, Project>(async (send, input) => {
    const saved = await send<Project>('PATCH', '', input)
    await client.invalidateQueries({ queryKey: ['projects'] })
    tell('Saved')
    return saved
  })
  const number = (name: Exclude<keyof Fields, 'name'>, most: number) => ({
    value: fields[name] ?? '',
    onChange: (value: string | number) =>
      setFields({ ...fields, [name]: value === '' ? null : Number(value) }),
    min: 1,
    max: most,
    allowDecimal: false,
    allowNegative: false,
  })
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault()
        save.mutate(changes)
      }}
    >
      <Card title="Project">
        <TextInput
          label="Name"
          value={fields.name}
          onChange={(event) => setFields({ ...fields, name: event.currentTarget.value })}
        />
      </Card>
      <Card title="Retention">
        <div className="stack">
          <NumberInput
            label="Days that the history is kept"
            description="Delivered and failed deliveries and their events. Empty: as long as this server says. An event type may say otherwise."
            {...number('retention_days', 3_650)}
          />
          <NumberInput
            label="Days that payloads are kept"
            description="And what receivers answered. Empty: as long as the history. What has no payload cannot be sent again."
            {...number('payload_retention_days', 3_650)}
          />
        </div>
      </Card>
      <Card title="Backlog">
        <NumberInput
          label="Deliveries that may wait"
          description="Beyond it publishing is refused. Empty: as many as this server says."
          {...number('backlog_limit', 2_147_483_647)}
        />
      </Card>
      {save.error && (
        <p className="red anywhere" role="alert">
          {save.error.message}
        </p>
      )}
      <div className="row">
        <Button type="submit" size="sm" disabled={Object.keys(changes).length === 0} loading={save.isPending}>
          Save changes
        </Button>
      </div>
    </form>
  )
}
