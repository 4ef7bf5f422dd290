import { Button, NativeSelect, Textarea, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useProjectChange } from '../api/queries.ts'
import type { TestResult, Webhook } from '../api/types.ts'
import { Card } from '../parts/page.tsx'
import { utc } from '../parts/words.ts'
import { useMay } from '../shell/project.ts'
import { JobButton, RunningJobs } from './jobs.tsx'
import { TestAnswer } from './test-answer.tsx'

/** What can be sent by hand: a test, and what is past or waits. */
export function WebhookSending({ webhook }: { webhook: Webhook }) {
  if (!useMay('manage')) return <p className="soft">This needs the role “manage”.</p>
  return (
    <div className="stack narrow">
      <RunningJobs />
      <TestSend webhook={webhook} />
      <Again webhook={webhook} />
      <Card title="Send what waits">
        <div className="row between wrap">
          <p className="soft grow">The endpoint was repaired: send now what waits for its next try.</p>
          <JobButton kind="send_waiting_now" filter={{ webhook_id: webhook.id }} word="Send waiting now" />
        </div>
      </Card>
    </div>
  )
}

function TestSend({ webhook }: { webhook: Webhook }) {
  const [type, setType] = useState('webhook.test')
  const [data, setData] = useState('{\n  "hello": "receiver"\n}')
  const [problem, setProblem] = useState<string>()
  const test = useProjectChange<object, TestResult>((send, body) =>
    send('POST', `/webhooks/${webhook.id}/test`, body),
  )

  function submit(event: React.FormEvent): void {
    event.preventDefault()
    try {
      const parsed: unknown = JSON.parse(data)
      setProblem(undefined)
      test.mutate({ type: type.trim(), data: parsed }, { onError: (error) => setProblem(error.message) })
    } catch {
      setProblem('The data is not JSON.')
    }
  }

  return (
    <Card title="Send a test">
      <form className="stack" onSubmit={submit}>
        <p className="soft">
          Sent now, signed as any other, also while the webhook is inactive. It is no event and stays in no
          history.
        </p>
        <TextInput
          label="Event type"
          className="mono-input"
          value={type}
          onChange={(event) => setType(event.currentTarget.value)}
        />
        <Textarea
          label="Data"
          className="mono-input"
          autosize
          minRows={3}
          maxRows={14}
          value={data}
          onChange={(event) => setData(event.currentTarget.value)}
          error={problem}
          spellCheck={false}
        />
        <div className="row">
          <Button type="submit" size="sm" loading={test.isPending}>
            Send test
          </Button>
        </div>
        <TestAnswer test={test} />
      </form>
    </Card>
  )
}

const since = [
  { value: '3600', label: 'the last hour' },
  { value: '21600', label: 'the last 6 hours' },
  { value: '86400', label: 'the last 24 hours' },
  { value: '604800', label: 'the last 7 days' },
  { value: 'own', label: 'a time of my own' },
]

/** Replay from a time: the failed, the delivered, or what it would get today and never got. */
function Again({ webhook }: { webhook: Webhook }) {
  const [chosen, setChosen] = useState('86400')
  const [own, setOwn] = useState('')
  const [what, setWhat] = useState('failed')
  const [openedMs] = useState(() => Date.now())
  const at = chosen === 'own' ? Date.parse(own) : openedMs - Number(chosen) * 1000
  const isRight = !Number.isNaN(at)
  const from = isRight ? new Date(at).toISOString() : ''
  return (
    <Card title="Replay from a time">
      <div className="stack">
        <div className="two-columns">
          <NativeSelect
            label="What"
            value={what}
            onChange={(event) => setWhat(event.currentTarget.value)}
            data={[
              { value: 'failed', label: 'Failed deliveries' },
              { value: 'delivered', label: 'Delivered ones, once more' },
              { value: 'backfill', label: 'Events it has not got' },
            ]}
          />
          <NativeSelect
            label="Since"
            value={chosen}
            onChange={(event) => setChosen(event.currentTarget.value)}
            data={since}
          />
        </div>
        {chosen === 'own' && (
          <TextInput
            label="Since when"
            description="In your time zone."
            type="datetime-local"
            value={own}
            onChange={(event) => setOwn(event.currentTarget.value)}
          />
        )}
        <div className="row between wrap">
          <span className="muted small num">{isRight ? `From ${utc(from)}` : 'Choose a time'}</span>
          {isRight && (
            <JobButton
              kind={what === 'backfill' ? 'backfill' : 'retry'}
              filter={{
                webhook_id: webhook.id,
                since: from,
                ...(what !== 'backfill' && { status: what as 'failed' }),
              }}
              word={what === 'backfill' ? 'Backfill' : 'Replay'}
            />
          )}
        </div>
      </div>
    </Card>
  )
}
