import { Tabs } from '@mantine/core'
import type { Attempt, Webhook } from '../api/types.ts'
import { Code, CopyButton } from '../parts/copy.tsx'
import { toneOfCode } from '../parts/status.tsx'
import { visible } from '../parts/words.ts'
import { attemptCurl, type HeaderFields, linesOf } from './attempt-curl.ts'

/** What the server stores of an answer at most, in characters of its text. */
const storedBodyLength = 16 * 1024

interface AttemptDetailsProps {
  attempt: Attempt
  payload: unknown
  webhook: Webhook | undefined
}

/** What was sent and what came back. Bodies are a stranger's: they are shown as text and as nothing else. */
export function AttemptDetails({ attempt, payload, webhook }: AttemptDetailsProps) {
  const body = JSON.stringify(payload)
  return (
    <div className="attempt">
      {webhook && (
        <span className="attempt-copy">
          <CopyButton text={attemptCurl(attempt, body, webhook)} label="Copy as curl" word="Copy as curl" />
        </span>
      )}
      <Tabs defaultValue="response" keepMounted={false} className="tabs small">
        <Tabs.List>
          <Tabs.Tab value="response">Response</Tabs.Tab>
          <Tabs.Tab value="request">Request</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="response">
          <Response attempt={attempt} />
        </Tabs.Panel>
        <Tabs.Panel value="request">
          <div className="stack close">
            <Headers headers={attempt.request_headers} label="Request headers" />
            <Code text={JSON.stringify(payload, null, 2)} label="Request body">
              {visible(JSON.stringify(payload, null, 2))}
            </Code>
          </div>
        </Tabs.Panel>
      </Tabs>
    </div>
  )
}

function Response({ attempt }: { attempt: Attempt }) {
  const { response_status, response_headers, response_body, error } = attempt
  if (response_status === null && response_headers === null) {
    return <p className="soft anywhere">There was no answer{error ? `: ${error}` : '.'}</p>
  }
  return (
    <div className="stack close">
      {error && error !== `http ${response_status}` && (
        <p className={`anywhere ${response_status === null ? 'red' : toneOfCode(response_status)}`}>
          {error}
        </p>
      )}
      {response_headers && <Headers headers={response_headers} label="Response headers" />}
      {response_body ? (
        <Code text={response_body} label="Response body">
          {visible(response_body)}
          {new TextEncoder().encode(response_body).length >= storedBodyLength && (
            <span className="cut">… cut off here: only the first 16 KiB are kept</span>
          )}
        </Code>
      ) : (
        <p className="muted">The body was empty.</p>
      )}
    </div>
  )
}

function Headers({ headers, label }: { headers: HeaderFields; label: string }) {
  const lines = linesOf(headers)
  return (
    <Code text={lines.map(([name, value]) => `${name}: ${value}`).join('\n')} label={label}>
      {lines.map(([name, value], index) => (
        <span className="header-line" key={index}>
          <span className="header-name">{visible(name)}:</span> {visible(value)}
        </span>
      ))}
    </Code>
  )
}
