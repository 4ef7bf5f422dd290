import { Button } from '@mantine/core'
import { useState } from 'react'
import { useLocation } from 'wouter'
import { usePath } from '../api/project.ts'
import { useProjectChange } from '../api/queries.ts'
import type { Webhook, WebhookChanges } from '../api/types.ts'
import { ConfirmDelete } from '../parts/confirm.tsx'
import { Card } from '../parts/page.tsx'
import { tell, tellError } from '../parts/toasts.tsx'
import { useMay } from '../shell/project.ts'
import { ShapeFields } from './shape-fields.tsx'
import { MainFields, MoreFields, PolicyFields, useWebhookForm } from './webhook-fields.tsx'
import { changesOf, fieldsOf } from './webhook-form.ts'

export function WebhookSettings({ webhook }: { webhook: Webhook }) {
  const mayManage = useMay('manage')
  // Made anew after each change, so that the form begins with what the server has.
  return (
    <fieldset className="bare stack narrow" disabled={!mayManage}>
      <Settings key={webhook.updated_at} webhook={webhook} />
      {mayManage && <Deletion webhook={webhook} />}
    </fieldset>
  )
}

function Settings({ webhook }: { webhook: Webhook }) {
  const [before] = useState(() => fieldsOf(webhook))
  const form = useWebhookForm(before)
  const [problem, setProblem] = useState<string>()
  const save = useProjectChange<WebhookChanges, Webhook>(async (send, changes) => {
    const saved = await send<Webhook>('PATCH', `/webhooks/${webhook.id}`, changes)
    // Here, since the form is made anew with what was saved.
    tell('Saved')
    return saved
  })
  const changes = changesOf(before, form.fields)
  const isChanged = Object.keys(changes).length > 0

  function submit(event: React.FormEvent): void {
    event.preventDefault()
    setProblem(undefined)
    form.showAll()
    if (!form.isValid) return
    save.mutate(changes, { onError: (error) => setProblem(form.refuse(error)) })
  }

  return (
    <form className="stack" onSubmit={submit} noValidate>
      <Card title="Where and what">
        <div className="stack">
          <MainFields form={form} />
          <MoreFields form={form} headerNames={webhook.header_names} />
        </div>
      </Card>
      <Card title="Filter and payload">
        <div className="stack">
          <ShapeFields form={form} />
        </div>
      </Card>
      <Card title="Policy">
        <div className="stack">
          <PolicyFields form={form} />
        </div>
      </Card>
      {problem && (
        <p className="red anywhere" role="alert">
          {problem}
        </p>
      )}
      <div className="row">
        <Button type="submit" size="sm" disabled={!isChanged} loading={save.isPending}>
          Save changes
        </Button>
        {isChanged && <span className="muted small">Not saved yet</span>}
      </div>
    </form>
  )
}

function Deletion({ webhook }: { webhook: Webhook }) {
  const path = usePath()
  const [, navigate] = useLocation()
  const [isAsking, setAsking] = useState(false)
  const remove = useProjectChange<void, undefined>((send) => send('DELETE', `/webhooks/${webhook.id}`))
  return (
    <Card title="Delete this webhook">
      <div className="row between wrap">
        <p className="soft">With the history of its deliveries. To stop sending only, switch it off.</p>
        <Button color="red" variant="light" onClick={() => setAsking(true)}>
          Delete …
        </Button>
      </div>
      {isAsking && (
        <ConfirmDelete
          name={webhook.name}
          isPending={remove.isPending}
          close={() => setAsking(false)}
          confirm={() =>
            remove.mutate(undefined, {
              onSuccess: () => {
                tell(`${webhook.name} was deleted`)
                navigate(path('/webhooks'))
              },
              onError: tellError,
            })
          }
        >
          All its deliveries and their attempts go with it. This cannot be undone.
        </ConfirmDelete>
      )}
    </Card>
  )
}
