import { Button, Radio } from '@mantine/core'
import { useState } from 'react'
import { Link } from 'wouter'
import { usePath } from '../api/project.ts'
import { useProjectChange } from '../api/queries.ts'
import type { CreatedWebhook, NewWebhook as WebhookInput, TestResult } from '../api/types.ts'
import { Card, Page } from '../parts/page.tsx'
import { useCurl } from '../parts/webhook-name.tsx'
import { Code } from '../parts/copy.tsx'
import { ReceiverSnippet, Secret } from './secret.tsx'
import { ShapeFields } from './shape-fields.tsx'
import { TestAnswer } from './test-answer.tsx'
import { MainFields, MoreFields, PolicyFields, useWebhookForm, type WebhookForm } from './webhook-fields.tsx'
import { emptyFields, exampleType, newWebhookOf } from './webhook-form.ts'

/** One form, which ends on the secret and what to do with it. */
export default function NewWebhook() {
  const path = usePath()
  const [created, setCreated] = useState<CreatedWebhook>()
  return (
    <Page
      title={created ? `${created.name} is ready` : 'Create webhook'}
      parent={{ word: 'Webhooks', to: path('/webhooks') }}
    >
      {created ? <Created webhook={created} /> : <Form done={setCreated} />}
    </Page>
  )
}

function Form({ done }: { done: (webhook: CreatedWebhook) => void }) {
  const path = usePath()
  const form = useWebhookForm(emptyFields)
  const [problem, setProblem] = useState<string>()
  const create = useProjectChange<WebhookInput, CreatedWebhook>((send, webhook) =>
    send('POST', '/webhooks', webhook),
  )
  const test = useProjectChange<object, TestResult>((send, draft) => send('POST', '/webhooks/test', draft))

  function submit(event: React.FormEvent): void {
    event.preventDefault()
    setProblem(undefined)
    form.showAll()
    if (!form.isValid) return
    create.mutate(newWebhookOf(form.fields), {
      onSuccess: done,
      onError: (error) => setProblem(form.refuse(error)),
    })
  }
  function sendTest(): void {
    setProblem(undefined)
    form.showAll()
    if (!form.isValid) return
    test.mutate(newWebhookOf(form.fields), { onError: (error) => setProblem(form.refuse(error)) })
  }

  return (
    <form className="stack narrow" onSubmit={submit} noValidate>
      <Card>
        <div className="stack">
          <MainFields form={form} />
        </div>
      </Card>
      <details className="card fold">
        <summary>Filter and payload</summary>
        <div className="card-body stack">
          <ShapeFields form={form} />
        </div>
      </details>
      <details className="card fold">
        <summary>Application, environment, headers, signature, policy</summary>
        <div className="card-body stack">
          <MoreFields form={form} />
          <SignatureField form={form} />
          <PolicyFields form={form} />
        </div>
      </details>
      {problem && (
        <p className="red anywhere" role="alert">
          {problem}
        </p>
      )}
      <TestAnswer test={test} />
      <div className="row wrap">
        <Button type="submit" size="sm" loading={create.isPending}>
          Create webhook
        </Button>
        <Button variant="default" size="sm" loading={test.isPending} onClick={sendTest}>
          Send a test first
        </Button>
        <Button variant="subtle" size="sm" component={Link} href={path('/webhooks')}>
          Back
        </Button>
      </div>
    </form>
  )
}

function SignatureField({ form }: { form: WebhookForm }) {
  return (
    <Radio.Group
      label="Signature"
      value={form.fields.signature}
      onChange={(value) => form.set({ signature: value })}
      error={form.problemOf('signature')}
    >
      <div className="stack tight radios">
        <Radio
          value="v1"
          label="HMAC-SHA256 (v1)"
          description="With a secret that the receiver shares. What most libraries know."
        />
        <Radio
          value="v1a"
          label="Ed25519 (v1a)"
          description="With a private key that never leaves the server; receivers need only its public key."
        />
      </div>
    </Radio.Group>
  )
}

function Created({ webhook }: { webhook: CreatedWebhook }) {
  const path = usePath()
  const curl = useCurl()
  const type = exampleType(webhook)
  return (
    <div className="stack narrow">
      <Card title={webhook.secret === null ? '1. Keep the public key' : '1. Keep the secret'}>
        <Secret secret={webhook.secret} publicKey={webhook.public_keys[0] ?? null} />
      </Card>
      <Card title="2. Check it in the receiver">
        <ReceiverSnippet webhook={webhook} />
      </Card>
      <Card title="3. Publish an event">
        <div className="stack close">
          <p className="soft">
            With a key of the role “publish” from <Link href={path('/keys')}>API keys</Link>, or by hand under{' '}
            <Link href={path('/events')}>Events</Link>.
          </p>
          <Code text={curl('POST', '/events', { type, data: { version: 7 } })} label="Shell" />
        </div>
      </Card>
      <div className="row wrap">
        <Button component={Link} href={path(`/webhooks/${webhook.id}`)} size="sm">
          To the webhook
        </Button>
        <Button component={Link} href={path('/live')} variant="default" size="sm">
          Watch live
        </Button>
      </div>
    </div>
  )
}
