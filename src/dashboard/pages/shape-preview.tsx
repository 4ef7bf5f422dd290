import { NativeSelect, Textarea } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { ApiError, call, parseExactly } from '../api/client.ts'
import { useProjectId } from '../api/project.ts'
import { useProjectQuery } from '../api/queries.ts'
import type { Page, PreviewedShape, PublishedEvent } from '../api/types.ts'
import { Code } from '../parts/copy.tsx'
import { Badge } from '../parts/status.tsx'
import { relative, visible } from '../parts/words.ts'
import { exampleType, matches, templateOf, typesOf, type WebhookFields } from './webhook-form.ts'

/** How many recent events one may choose from. */
const offered = 30
/** After the last letter that was written. */
const askedAfterMs = 400
const own = 'own'

/** What would become of an event at a webhook as it stands in the form. The server says it: nothing is sent or stored. */
export function usePreview(fields: WebhookFields) {
  const projectId = useProjectId()
  const recent = useProjectQuery<Page<'events', PublishedEvent>>('/events', { query: { limit: 100 } }).data
    ?.events
  const [chosen, choose] = useState<string>()
  const [text, setText] = useState<string>()
  const events = (recent ?? []).slice(0, offered)
  const wanted = events.find(({ type }) => typesOf(fields).some((pattern) => matches(pattern, type)))
  const choice = chosen ?? wanted?.id ?? own
  const ownText = text ?? exampleText(fields)
  const event = choice === own ? parsed(ownText) : undefined
  const template = templateOf(fields)
  const filter = fields.filter.trim() || null
  // Not before it is known which events there are to choose from.
  const isWhole = recent !== undefined && template !== undefined && (choice !== own || event !== undefined)
  const isShaping = filter !== null || template !== null
  const request = JSON.stringify({
    filter,
    payload_template: template,
    ...(choice === own ? { event } : { event_id: choice }),
  })
  const [settled] = useDebouncedValue(isWhole && isShaping ? request : null, askedAfterMs)
  const asked = useQuery({
    queryKey: [projectId, 'preview', settled],
    queryFn: ({ signal }) =>
      call<PreviewedShape>('POST', `/projects/${projectId}/webhooks/preview`, {
        body: parseExactly(settled ?? ''),
        signal,
      }),
    enabled: settled !== null,
    placeholderData: keepPreviousData,
    retry: false,
  })
  return {
    events,
    choice,
    choose,
    text: ownText,
    setText,
    isOwnWrong: choice === own && event === undefined,
    isShaping,
    answer: asked.error || !isShaping ? undefined : asked.data,
    error: isShaping ? asked.error : null,
    /** What is wrong with a field, as soon as the server has looked at it. */
    problemOf: (name: 'filter' | 'payload_template') =>
      isShaping ? complaint(asked.error, name) : undefined,
  }
}

function complaint(error: Error | null, name: string): string | undefined {
  if (!(error instanceof ApiError)) return undefined
  const found = error.errors.find(({ path }) => path === name || path.startsWith(`${name}.`))
  if (!found) return undefined
  return found.path === name ? found.message : `${found.path.slice(name.length + 1)}: ${found.message}`
}

function exampleText({ eventTypes }: WebhookFields): string {
  const event = { type: exampleType({ event_types: typesOf({ eventTypes }) }), data: { amount: 120 } }
  return JSON.stringify(event, null, 2)
}

function parsed(text: string): unknown {
  try {
    return parseExactly(text)
  } catch {
    return undefined
  }
}

export function ShapePreview({ preview }: { preview: ReturnType<typeof usePreview> }) {
  const { events, choice, choose, text, setText, isOwnWrong, answer, error } = preview
  return (
    <section className="preview stack close" aria-label="Preview">
      <NativeSelect
        label="Preview"
        description="What would become of this event. Nothing is sent."
        value={choice}
        onChange={(event) => choose(event.currentTarget.value)}
        data={[
          ...events.map(({ id, type, created_at }) => ({
            value: id,
            label: `${type}, published ${relative(Date.parse(created_at), Date.now())}`,
          })),
          { value: own, label: 'an event that I write' },
        ]}
      />
      {choice === own && (
        <Textarea
          aria-label="The event"
          className="mono-input"
          autosize
          minRows={3}
          maxRows={12}
          value={text}
          error={isOwnWrong ? 'This is no JSON' : undefined}
          onChange={(event) => setText(event.currentTarget.value)}
          spellCheck={false}
        />
      )}
      <div className="stack close" aria-live="polite">
        {error && !preview.problemOf('filter') && !preview.problemOf('payload_template') && (
          <p className="red anywhere">{error.message}</p>
        )}
        {answer && <Verdict answer={answer} />}
      </div>
    </section>
  )
}

function Verdict({ answer: { matches: isSent, reason, body, error } }: { answer: PreviewedShape }) {
  const text = JSON.stringify(body, null, 2)
  return (
    <>
      <p className="row wrap">
        <Badge tone={isSent ? 'green' : 'grey'} icon={isSent ? 'delivered' : 'inactive'}>
          {isSent ? 'Would be sent' : 'Would be kept back'}
        </Badge>
        {reason !== null && <span className="soft anywhere">{visible(reason)}</span>}
      </p>
      {error === undefined ? (
        <Code text={text} label="Request body">
          {visible(text)}
        </Code>
      ) : (
        <p className="red anywhere">{visible(error)}</p>
      )}
    </>
  )
}
