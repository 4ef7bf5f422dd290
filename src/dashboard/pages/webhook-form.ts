import { parseExactly } from '../api/client.ts'
import type { NewWebhook, Webhook, WebhookChanges } from '../api/types.ts'

/** What a form holds while it is written, what is wrong with it, and what becomes of it. */

export interface WebhookFields {
  name: string
  url: string
  eventTypes: string
  applicationId: string
  environment: string
  description: string
  /** CEL, and JSON with paths in it. */
  filter: string
  payloadTemplate: string
  headers: { name: string; value: string }[]
  signature: 'v1' | 'v1a'
  /** What Postrider tells of itself, and nothing else. */
  isOperational: boolean
  retrySeconds: string
  timeoutMs: string
  maxInFlight: string
  ratePerSecond: string
  isOrdered: boolean
}

export type FieldName = keyof WebhookFields
export type FieldProblems = Partial<Record<FieldName, string>>

export const emptyFields: WebhookFields = {
  name: '',
  url: '',
  eventTypes: '*',
  applicationId: '',
  environment: '',
  description: '',
  filter: '',
  payloadTemplate: '',
  headers: [],
  signature: 'v1',
  isOperational: false,
  retrySeconds: '',
  timeoutMs: '',
  maxInFlight: '',
  ratePerSecond: '',
  isOrdered: false,
}

export function fieldsOf(webhook: Webhook): WebhookFields {
  return {
    name: webhook.name,
    url: webhook.url,
    eventTypes: webhook.event_types.join('\n'),
    applicationId: webhook.application_id ?? '',
    environment: webhook.environment_name ?? '',
    description: webhook.description ?? '',
    filter: webhook.filter ?? '',
    payloadTemplate: templateText(webhook.payload_template),
    headers: [],
    signature: webhook.signature_scheme,
    isOperational: webhook.operational,
    retrySeconds: webhook.policy.retry_seconds.join(', '),
    timeoutMs: String(webhook.policy.timeout_ms),
    maxInFlight: String(webhook.policy.max_in_flight),
    ratePerSecond: webhook.policy.rate_per_second === null ? '' : String(webhook.policy.rate_per_second),
    isOrdered: webhook.policy.ordered,
  }
}

export function templateText(template: unknown): string {
  return template === null || template === undefined ? '' : JSON.stringify(template, null, 2)
}

/** As it was written, to the digit; `undefined` while it is no JSON, null where there is none. */
export function templateOf({ payloadTemplate }: Pick<WebhookFields, 'payloadTemplate'>): unknown {
  if (payloadTemplate.trim() === '') return null
  try {
    return parseExactly(payloadTemplate)
  } catch {
    return undefined
  }
}

const typePattern = /^(\*|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.\*)?)$/
const headerPattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** What can be told at once; the server looks at everything again, and its word counts. */
export function problemsOf(fields: WebhookFields): FieldProblems {
  const problems: FieldProblems = {}
  const wrong = (name: FieldName, message: string | undefined) => {
    if (message !== undefined) problems[name] = message
  }
  wrong('name', fields.name.trim() === '' ? 'A name is needed' : undefined)
  wrong('url', urlProblem(fields.url.trim()))
  wrong('eventTypes', typesProblem(typesOf(fields)))
  wrong('filter', fields.filter.length > 2_000 ? 'Must be at most 2,000 characters' : undefined)
  wrong('payloadTemplate', templateOf(fields) === undefined ? 'This is no JSON' : undefined)
  wrong('headers', headersProblem(fields.headers))
  wrong('retrySeconds', retryProblem(fields.retrySeconds))
  wrong('timeoutMs', numberProblem(fields.timeoutMs, 1000, 15_000))
  wrong('maxInFlight', numberProblem(fields.maxInFlight, 1, 1000))
  wrong('ratePerSecond', numberProblem(fields.ratePerSecond, 0.01, 10_000, false))
  return problems
}

function urlProblem(text: string): string | undefined {
  if (text === '') return 'A URL is needed'
  const url = URL.parse(text)
  if (!url || !/^https?:\/\//i.test(text)) return 'Must be a full URL, such as https://example.com/webhooks'
  if (url.username || url.password) return 'Must not contain a user name or password: use headers instead'
  return text.length > 2048 ? 'Must be at most 2,048 characters' : undefined
}

function typesProblem(types: string[]): string | undefined {
  if (types.length === 0) return 'At least one event type, or * for all'
  const wrong = types.find((type) => !typePattern.test(type))
  return wrong && `“${wrong}” is no event type: write *, config.deployed or config.*`
}

function headersProblem(headers: WebhookFields['headers']): string | undefined {
  const names = headers.map(({ name }) => name.trim()).filter((name) => name !== '')
  const wrong = names.find((name) => !headerPattern.test(name))
  if (wrong) return `“${wrong}” is no header name`
  if (new Set(names.map((name) => name.toLowerCase())).size < names.length) return 'A name stands here twice'
  return headers.some(({ name, value }) => name.trim() === '' && value !== '')
    ? 'A header needs a name'
    : undefined
}

function retryProblem(text: string): string | undefined {
  const parts = partsOf(text)
  if (parts.length > 20) return 'At most 20 delays'
  const isWrong = parts.some((part) => !/^\d+$/.test(part) || Number(part) < 1 || Number(part) > 604_800)
  return isWrong ? 'Seconds from 1 to 604,800, separated by commas' : undefined
}

function numberProblem(text: string, least: number, most: number, isWhole = true): string | undefined {
  if (text.trim() === '') return undefined
  const value = Number(text)
  const isRight = value >= least && value <= most && (!isWhole || Number.isInteger(value))
  return isRight ? undefined : `From ${least.toLocaleString('en')} to ${most.toLocaleString('en')}`
}

function partsOf(text: string): string[] {
  return text.split(/[\s,]+/).filter((part) => part !== '')
}

export function typesOf({ eventTypes }: Pick<WebhookFields, 'eventTypes'>): string[] {
  return partsOf(eventTypes)
}

export function newWebhookOf(fields: WebhookFields): NewWebhook {
  const policy = policyOf(fields)
  return {
    name: fields.name.trim(),
    url: fields.url.trim(),
    event_types: typesOf(fields),
    application_id: fields.applicationId || null,
    environment_name: fields.environment.trim() || null,
    description: fields.description.trim() || null,
    filter: fields.filter.trim() || null,
    payload_template: templateOf(fields),
    ...(fields.headers.length > 0 && { headers: headersOf(fields) }),
    ...(fields.signature === 'v1a' && { signature_scheme: 'v1a' }),
    ...(fields.isOperational && { operational: true }),
    ...(Object.keys(policy).length > 0 && { policy }),
  }
}

/** Only what is different, so that two people who change two things do not undo each other's. */
export function changesOf(before: WebhookFields, after: WebhookFields): WebhookChanges {
  const made = newWebhookOf(after)
  const was = newWebhookOf(before)
  const isSame = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other)
  const plain = [
    'name',
    'url',
    'event_types',
    'application_id',
    'environment_name',
    'description',
    'filter',
    'payload_template',
  ] as const
  const policyBefore = policyOf(before)
  const policyChanges = Object.fromEntries(
    Object.entries({ ...emptyPolicy, ...policyOf(after) }).filter(
      ([name, value]) =>
        !isSame(value, { ...emptyPolicy, ...policyBefore }[name as keyof typeof emptyPolicy]),
    ),
  )
  return {
    ...Object.fromEntries(
      plain.filter((name) => !isSame(made[name], was[name])).map((name) => [name, made[name]]),
    ),
    ...(after.isOperational !== before.isOperational && { operational: after.isOperational }),
    ...(after.headers.length > 0 && { headers: headersOf(after) }),
    ...(Object.keys(policyChanges).length > 0 && { policy: policyChanges }),
  }
}

/** Back to the defaults of the deployment. */
const emptyPolicy = {
  retry_seconds: null,
  timeout_ms: null,
  max_in_flight: null,
  rate_per_second: null,
  ordered: false,
}

function policyOf(fields: WebhookFields): NonNullable<NewWebhook['policy']> {
  const retry = partsOf(fields.retrySeconds)
  return {
    ...(retry.length > 0 && { retry_seconds: retry.map(Number) }),
    ...(fields.timeoutMs.trim() && { timeout_ms: Number(fields.timeoutMs) }),
    ...(fields.maxInFlight.trim() && { max_in_flight: Number(fields.maxInFlight) }),
    ...(fields.ratePerSecond.trim() && { rate_per_second: Number(fields.ratePerSecond) }),
    ...(fields.isOrdered && { ordered: true }),
  }
}

function headersOf({ headers }: WebhookFields): Record<string, string> {
  return Object.fromEntries(
    headers.filter(({ name }) => name.trim() !== '').map(({ name, value }) => [name.trim(), value]),
  )
}

/** Where the server's complaint belongs: its paths are those of the API. */
export const apiPaths: Record<string, FieldName> = {
  name: 'name',
  url: 'url',
  event_types: 'eventTypes',
  application_id: 'applicationId',
  environment_name: 'environment',
  description: 'description',
  filter: 'filter',
  payload_template: 'payloadTemplate',
  headers: 'headers',
  signature_scheme: 'signature',
  operational: 'isOperational',
  'policy.retry_seconds': 'retrySeconds',
  'policy.timeout_ms': 'timeoutMs',
  'policy.max_in_flight': 'maxInFlight',
  'policy.rate_per_second': 'ratePerSecond',
  'policy.ordered': 'isOrdered',
}

export function matches(pattern: string, type: string): boolean {
  return (
    pattern === '*' || pattern === type || (pattern.endsWith('.*') && type.startsWith(pattern.slice(0, -1)))
  )
}

/** An event type that a webhook gets. */
export function exampleType({ event_types: [first = '*'] }: Pick<Webhook, 'event_types'>): string {
  return first === '*' ? 'config.deployed' : first.replace(/\*$/, 'deployed')
}
