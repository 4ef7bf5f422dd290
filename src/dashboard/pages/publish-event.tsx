import { Button, Modal, Textarea, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useLocation } from 'wouter'
import { ApiError, parseExactly } from '../api/client.ts'
import { usePath } from '../api/project.ts'
import { useProjectChange } from '../api/queries.ts'
import { Icon } from '../parts/icons.tsx'
import { tell } from '../parts/toasts.tsx'
import { plural } from '../parts/words.ts'
import { useMay } from '../shell/project.ts'

interface Publication {
  id: string
  deliveries: number
}

/** For trying, and for what a program has left out: an event by hand, which goes to every webhook that matches. */
export function PublishEvent() {
  const mayPublish = useMay('publish')
  const [isOpen, setOpen] = useState(false)
  if (!mayPublish) return null
  return (
    <>
      <Button leftSection={<Icon name="send" size={14} />} onClick={() => setOpen(true)}>
        Publish event
      </Button>
      <Modal opened={isOpen} onClose={() => setOpen(false)} title="Publish event" size={520}>
        <Form />
      </Modal>
    </>
  )
}

function Form() {
  const path = usePath()
  const [, navigate] = useLocation()
  const [type, setType] = useState('config.deployed')
  const [data, setData] = useState('{\n  "version": 7\n}')
  const [environment, setEnvironment] = useState('')
  const [notJson, setNotJson] = useState(false)
  const publish = useProjectChange<object, Publication>((send, event) => send('POST', '/events', event))
  const problemOf = (field: string) =>
    publish.error instanceof ApiError ? publish.error.fieldError(field) : undefined
  const isOfField = ['type', 'data', 'environment_name'].some((field) => problemOf(field) !== undefined)

  function submit(event: React.FormEvent): void {
    event.preventDefault()
    const parsed = jsonOf(data)
    setNotJson(parsed === undefined)
    if (parsed === undefined) return
    const environment_name = environment.trim()
    publish.mutate(
      { type: type.trim(), data: parsed, ...(environment_name !== '' && { environment_name }) },
      {
        onSuccess: ({ id, deliveries }) => {
          tell(`Published to ${plural(deliveries, 'webhook')}`)
          navigate(path(`/events/${id}`))
        },
      },
    )
  }

  return (
    <form className="stack" onSubmit={submit}>
      <TextInput
        label="Event type"
        className="mono-input"
        value={type}
        onChange={(event) => setType(event.currentTarget.value)}
        error={problemOf('type')}
        autoComplete="off"
        data-autofocus
      />
      <Textarea
        label="Data"
        description="Any JSON."
        className="mono-input"
        autosize
        minRows={3}
        maxRows={14}
        value={data}
        onChange={(event) => setData(event.currentTarget.value)}
        error={notJson ? 'This is no JSON' : problemOf('data')}
        spellCheck={false}
      />
      <TextInput
        label="Environment"
        placeholder="none"
        value={environment}
        onChange={(event) => setEnvironment(event.currentTarget.value)}
        error={problemOf('environment_name')}
      />
      {publish.error && !isOfField && (
        <p className="red anywhere" role="alert">
          {publish.error.message}
        </p>
      )}
      <div className="row end">
        <Button type="submit" loading={publish.isPending} disabled={type.trim() === ''}>
          Publish
        </Button>
      </div>
    </form>
  )
}

function jsonOf(text: string): unknown {
  try {
    return parseExactly(text)
  } catch {
    return undefined
  }
}
