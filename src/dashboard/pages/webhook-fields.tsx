import { ActionIcon, Button, NativeSelect, Switch, Textarea, TextInput } from '@mantine/core'
import { useState } from 'react'
import { ApiError } from '../api/client.ts'
import { useProjectAll } from '../api/queries.ts'
import type { Application } from '../api/types.ts'
import { Icon } from '../parts/icons.tsx'
import { MatchingEvents } from './matching-events.tsx'
import {
  apiPaths,
  type FieldName,
  type FieldProblems,
  problemsOf,
  type WebhookFields,
} from './webhook-form.ts'

/** What is wrong is said as soon as a field was left, and after a try to save of all of them. */
export function useWebhookForm(initial: WebhookFields) {
  const [fields, setFields] = useState(initial)
  const [left, setLeft] = useState<ReadonlySet<FieldName>>(new Set())
  const [refused, setRefused] = useState<FieldProblems>({})
  const problems = problemsOf(fields)
  return {
    fields,
    isValid: Object.keys(problems).length === 0,
    set: (changes: Partial<WebhookFields>) => {
      setFields((before) => ({ ...before, ...changes }))
      setRefused((before) =>
        Object.fromEntries(Object.entries(before).filter(([name]) => !(name in changes))),
      )
    },
    leave: (name: FieldName) => setLeft((before) => new Set(before).add(name)),
    showAll: () => setLeft(new Set(Object.keys(fields) as FieldName[])),
    problemOf: (name: FieldName) => refused[name] ?? (left.has(name) ? problems[name] : undefined),
    /** Puts the server's complaints to their fields; what belongs to none is returned. */
    refuse: (error: Error): string | undefined => {
      if (!(error instanceof ApiError)) return error.message
      const named = error.errors.flatMap(({ path, message }): [FieldName, string][] => {
        const field = Object.entries(apiPaths).find(
          ([prefix]) => path === prefix || path.startsWith(`${prefix}.`) || path.startsWith(`${prefix}[`),
        )
        if (!field) return []
        // Inside JSON and headers it says where, too.
        const inner = path.slice(field[0].length).replace(/^\./, '')
        return [[field[1], inner === '' || inner.startsWith('[') ? message : `${inner}: ${message}`]]
      })
      setRefused(Object.fromEntries(named))
      return named.length > 0 ? undefined : error.message
    },
  }
}

export type WebhookForm = ReturnType<typeof useWebhookForm>

/** The fields that every webhook has. */
export function MainFields({ form }: { form: WebhookForm }) {
  const { fields } = form
  return (
    <>
      <TextInput label="Name" placeholder="Billing" {...textOf(form, 'name')} data-autofocus />
      <TextInput
        label="URL"
        description="Where the events are sent, by POST."
        placeholder="https://example.com/webhooks"
        className="mono-input"
        inputMode="url"
        {...textOf(form, 'url')}
      />
      <div className="stack tight">
        <Textarea
          label="Event types"
          description="* for all, exact names, or prefixes such as config.* – one on each line."
          placeholder={'config.*\nuser.created'}
          className="mono-input"
          autosize
          minRows={2}
          maxRows={8}
          {...textOf(form, 'eventTypes')}
        />
        <div className="row wrap">
          <span className="muted small">Examples:</span>
          {['*', 'config.*', 'user.created'].map((example) => (
            <button
              type="button"
              className="example mono"
              key={example}
              onClick={() => form.set({ eventTypes: example })}
            >
              {example}
            </button>
          ))}
        </div>
        <MatchingEvents fields={fields} />
      </div>
    </>
  )
}

/** What few need. */
export function MoreFields({ form, headerNames }: { form: WebhookForm; headerNames?: string[] }) {
  const applications = useProjectAll<'applications', Application>('applications', '/applications').data ?? []
  return (
    <>
      <div className="two-columns">
        <NativeSelect
          label="Application"
          description="Only events of this one."
          value={form.fields.applicationId}
          error={form.problemOf('applicationId')}
          onChange={(event) => form.set({ applicationId: event.currentTarget.value })}
          data={[
            { value: '', label: 'All' },
            ...applications.map(({ id, name }) => ({ value: id, label: name })),
          ]}
        />
        <TextInput
          label="Environment"
          description="Only events of this one."
          placeholder="production"
          {...textOf(form, 'environment')}
        />
      </div>
      <Textarea label="Description" autosize minRows={1} maxRows={6} {...textOf(form, 'description')} />
      <HeaderFields form={form} headerNames={headerNames} />
      <Switch
        label="Operational"
        description="It gets what Postrider tells of itself – a webhook became inactive or fails, a delivery failed, a backlog is high – and no other events."
        checked={form.fields.isOperational}
        onChange={(event) => form.set({ isOperational: event.currentTarget.checked })}
      />
    </>
  )
}

function HeaderFields({ form, headerNames = [] }: { form: WebhookForm; headerNames?: string[] }) {
  const { headers } = form.fields
  const change = (index: number, changes: Partial<{ name: string; value: string }>) =>
    form.set({ headers: headers.map((header, at) => (at === index ? { ...header, ...changes } : header)) })
  return (
    <fieldset className="header-fields">
      <legend>Headers</legend>
      <p className="muted small">
        Added to each request, stored encrypted, never shown again.
        {headerNames.length > 0 && (
          <>
            {' '}
            It has <span className="mono">{headerNames.join(', ')}</span>: what you write here replaces all of
            them.
          </>
        )}
      </p>
      {headers.map((header, index) => (
        <div className="row" key={index}>
          <TextInput
            aria-label={`Name of header ${index + 1}`}
            placeholder="x-api-token"
            className="mono-input grow"
            value={header.name}
            onChange={(event) => change(index, { name: event.currentTarget.value })}
            onBlur={() => form.leave('headers')}
          />
          <TextInput
            aria-label={`Value of header ${index + 1}`}
            placeholder="value"
            className="mono-input grow"
            value={header.value}
            onChange={(event) => change(index, { value: event.currentTarget.value })}
            autoComplete="off"
          />
          <ActionIcon
            aria-label={`Remove header ${index + 1}`}
            onClick={() => form.set({ headers: headers.filter((_, at) => at !== index) })}
          >
            <Icon name="trash" size={15} />
          </ActionIcon>
        </div>
      ))}
      {form.problemOf('headers') && (
        <p className="red small" role="alert">
          {form.problemOf('headers')}
        </p>
      )}
      <div>
        <Button
          variant="default"
          leftSection={<Icon name="plus" size={14} />}
          onClick={() => form.set({ headers: [...headers, { name: '', value: '' }] })}
        >
          Add header
        </Button>
      </div>
    </fieldset>
  )
}

export function PolicyFields({ form }: { form: WebhookForm }) {
  return (
    <>
      <TextInput
        label="Retry delays, in seconds"
        description="From each failed try to the next. Empty: the default of this deployment."
        placeholder="60, 300, 900, 3600, 14400"
        className="mono-input"
        {...textOf(form, 'retrySeconds')}
      />
      <div className="three-columns">
        <TextInput
          label="Timeout, in ms"
          placeholder="10000"
          inputMode="numeric"
          {...textOf(form, 'timeoutMs')}
        />
        <TextInput
          label="Most in flight"
          placeholder="8"
          inputMode="numeric"
          {...textOf(form, 'maxInFlight')}
        />
        <TextInput
          label="Most per second"
          placeholder="no limit"
          inputMode="decimal"
          {...textOf(form, 'ratePerSecond')}
        />
      </div>
      <Switch
        label="In order"
        description="One at a time, in the order in which they were published. While one is tried again, those after it wait."
        checked={form.fields.isOrdered}
        onChange={(event) => form.set({ isOrdered: event.currentTarget.checked })}
      />
    </>
  )
}

type TextField = { [Name in FieldName]: WebhookFields[Name] extends string ? Name : never }[FieldName]

function textOf(form: WebhookForm, name: TextField) {
  return {
    value: form.fields[name],
    error: form.problemOf(name),
    onChange: (event: React.ChangeEvent<HTMLInputElement | HTMLTextAreaElement>) =>
      form.set({ [name]: event.currentTarget.value }),
    onBlur: () => form.leave(name),
    autoComplete: 'off',
    spellCheck: false,
  }
}
