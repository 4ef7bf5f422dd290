import { Button, Checkbox, Modal, Textarea, TextInput } from '@mantine/core'
import { useState } from 'react'
import { ApiError, parseExactly } from '../api/client.ts'
import { useProjectChange } from '../api/queries.ts'
import type { EventType } from '../api/types.ts'
import { tell } from '../parts/toasts.tsx'

interface EventTypeFormProps {
  /** The type that the page is about; without it, it is to be named. */
  name?: string
  /** What is registered; without it, the type is new. */
  before?: EventType | undefined
  close: () => void
}

interface Fields {
  name: string
  description: string
  schema: string
  example: string
  deprecated: boolean
}

/** Registers a type or changes what is registered. Schema and example are JSON as it is written here, to the digit. */
export function EventTypeForm({ name, before, close }: EventTypeFormProps) {
  const [fields, setFields] = useState<Fields>(() => ({
    name: name ?? '',
    description: before?.description ?? '',
    schema: textOf(before?.schema),
    example: textOf(before?.example),
    deprecated: before?.deprecated ?? false,
  }))
  const set = (changes: Partial<Fields>) => setFields({ ...fields, ...changes })
  const save = useProjectChange<object, EventType>((send, body) =>
    before ? send('PATCH', `/event-types/${before.name}`, body) : send('POST', '/event-types', body),
  )
  const [schema, example] = [jsonOf(fields.schema), jsonOf(fields.example)]
  const isReady = fields.name.trim() !== '' && schema !== undefined && example !== undefined
  const errorOf = (field: string) => problemOf(save.error, field)
  const isToldAtField = Object.keys(fields).some((field) => errorOf(field) !== undefined)

  function submit(event: React.FormEvent): void {
    event.preventDefault()
    const body = {
      ...(!before && { name: fields.name.trim() }),
      description: fields.description.trim() || null,
      schema,
      example,
      deprecated: fields.deprecated,
    }
    save.mutate(body, {
      onSuccess: (saved) => {
        tell(`${saved.name} was saved`)
        close()
      },
    })
  }

  return (
    <Modal
      opened
      onClose={close}
      title={before ? `Edit ${before.name}` : 'Register event type'}
      size={640}
      closeButtonProps={{ 'aria-label': 'Close without saving' }}
    >
      <form className="stack" onSubmit={submit} noValidate>
        {name === undefined && (
          <TextInput
            label="Name"
            placeholder="config.deployed"
            value={fields.name}
            onChange={(event) => set({ name: event.currentTarget.value })}
            error={errorOf('name')}
            data-autofocus
          />
        )}
        <TextInput
          label="Description"
          value={fields.description}
          onChange={(event) => set({ description: event.currentTarget.value })}
          error={errorOf('description')}
        />
        <Textarea
          label="Schema"
          description="JSON Schema (2020-12). Data that does not fit is refused from the moment on that this is saved."
          placeholder='{"type": "object", "properties": {"version": {"type": "integer"}}, "required": ["version"]}'
          value={fields.schema}
          onChange={(event) => set({ schema: event.currentTarget.value })}
          error={schema === undefined ? 'This is no JSON' : errorOf('schema')}
          classNames={{ input: 'mono' }}
          autosize
          minRows={6}
          maxRows={18}
          spellCheck={false}
        />
        <Textarea
          label="Example"
          description="Data of such an event. It must fit the schema, and is what tests and postrider trigger send."
          placeholder='{"version": 7}'
          value={fields.example}
          onChange={(event) => set({ example: event.currentTarget.value })}
          error={example === undefined ? 'This is no JSON' : errorOf('example')}
          classNames={{ input: 'mono' }}
          autosize
          minRows={3}
          maxRows={12}
          spellCheck={false}
        />
        <Checkbox
          label="Deprecated: it can still be published, and should not be built upon"
          checked={fields.deprecated}
          onChange={(event) => set({ deprecated: event.currentTarget.checked })}
        />
        {save.error && !isToldAtField && (
          <p className="red anywhere" role="alert">
            {save.error.message}
          </p>
        )}
        <div className="row end">
          <Button variant="default" onClick={close}>
            Close
          </Button>
          <Button type="submit" disabled={!isReady} loading={save.isPending}>
            {before ? 'Save' : 'Register'}
          </Button>
        </div>
      </form>
    </Modal>
  )
}

function textOf(value: unknown): string {
  return value === null || value === undefined ? '' : JSON.stringify(value, null, 2)
}

/** `undefined` while it is no JSON, null where there is none. */
function jsonOf(text: string): unknown {
  if (text.trim() === '') return null
  try {
    return parseExactly(text)
  } catch {
    return undefined
  }
}

/** With the place inside the field, which may be large. */
function problemOf(error: Error | null, field: string): string | undefined {
  if (!(error instanceof ApiError)) return undefined
  const found = error.errors.find(
    ({ path }) => path === field || path.startsWith(`${field}.`) || path.startsWith(`${field}[`),
  )
  return found && `${found.path} ${found.message}`
}
