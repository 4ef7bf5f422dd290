import type { AnswerFunction, ReceivedRequest, ReceiverAnswer } from './receiver.ts'

/** Stand-ins that check what they get as the documentation of these services says. */

/**
 * `POST /repos/{owner}/{repo}/dispatches`: creates a repository dispatch event. Without a user agent it is 403, without a
 * token 401, for another repository 404; `event_type` of 1 to 100 characters, `client_payload` an object with at most 10
 * members at its top and less than 64 KiB.
 */
export function github({
  owner,
  repo,
  token,
}: {
  owner: string
  repo: string
  token: string
}): AnswerFunction {
  return (request) => {
    if (!request.headers['user-agent'])
      return json(403, { message: 'Request forbidden by administrative rules.' })
    if (request.headers.authorization !== `Bearer ${token}`) return json(401, { message: 'Bad credentials' })
    if (request.method !== 'POST' || request.url !== `/repos/${owner}/${repo}/dispatches`)
      return json(404, { message: 'Not Found' })
    const body = objectIn(request)
    if (!body) return json(400, { message: 'Problems parsing JSON' })
    const complaint = dispatchComplaint(body)
    if (complaint !== undefined) return json(422, { message: `Invalid request.\n\n${complaint}` })
    return { status: 204 }
  }
}

function dispatchComplaint({
  event_type,
  client_payload,
  ...rest
}: Record<string, unknown>): string | undefined {
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined) return `"${unknown}" is not a permitted key.`
  if (event_type === undefined) return '"event_type" wasn\'t supplied.'
  if (typeof event_type !== 'string')
    return `For 'properties/event_type', ${JSON.stringify(event_type)} is not a string.`
  if (event_type.length < 1 || event_type.length > 100)
    return 'event_type is too long (maximum is 100 characters)'
  if (client_payload === undefined) return undefined
  if (typeof client_payload !== 'object' || client_payload === null || Array.isArray(client_payload))
    return `For 'properties/client_payload', ${JSON.stringify(client_payload)} is not an object.`
  if (Object.keys(client_payload).length > 10) return 'No more than 10 properties are allowed'
  if (Buffer.byteLength(JSON.stringify(client_payload)) >= 65_536) return 'client_payload is too large.'
  return undefined
}

/** An incoming webhook: a text, blocks of known kinds, or both. */
export const slack: AnswerFunction = (request) => {
  const body = objectIn(request)
  if (!body) return { status: 400, body: 'invalid_payload' }
  const { text, blocks } = body
  if (text === undefined && blocks === undefined) return { status: 400, body: 'no_text' }
  if (text !== undefined && typeof text !== 'string') return { status: 400, body: 'invalid_payload' }
  if (blocks !== undefined && !(Array.isArray(blocks) && blocks.length <= 50 && blocks.every(isBlock)))
    return { status: 400, body: 'invalid_blocks' }
  return { status: 200, body: 'ok' }
}

function isBlock(block: unknown): boolean {
  const { type, text, elements } = block as Record<string, unknown>
  if (type === 'section') return isText(text, 3_000)
  if (type === 'header') return isText(text, 150)
  return (
    type === 'context' &&
    Array.isArray(elements) &&
    elements.length <= 10 &&
    elements.every((each) => isText(each, 3_000))
  )
}

function isText(object: unknown, most: number): boolean {
  const { type, text } = (object ?? {}) as Record<string, unknown>
  if (type !== 'plain_text' && type !== 'mrkdwn') return false
  return typeof text === 'string' && text.length >= 1 && text.length <= most
}

/** A webhook that is executed: a content of at most 2,000 characters, at most 10 embeds, or both. */
export const discord: AnswerFunction = (request) => {
  const body = objectIn(request)
  if (!body) return json(400, { message: 'The request body contains invalid JSON.', code: 50109 })
  const { content, embeds = [] } = body
  if (content === undefined && embeds === undefined)
    return json(400, { message: 'Cannot send an empty message', code: 50006 })
  const isContent = content === undefined || (typeof content === 'string' && content.length <= 2_000)
  const areEmbeds = Array.isArray(embeds) && embeds.length <= 10 && embeds.every(isEmbed)
  return isContent && areEmbeds ? { status: 204 } : json(400, { message: 'Invalid Form Body', code: 50035 })
}

function isEmbed(embed: unknown): boolean {
  const { title, timestamp, footer } = embed as {
    title?: unknown
    timestamp?: unknown
    footer?: { text?: unknown }
  }
  const isTitle = title === undefined || (typeof title === 'string' && title.length <= 256)
  const isTime =
    timestamp === undefined || (typeof timestamp === 'string' && !Number.isNaN(Date.parse(timestamp)))
  return (
    isTitle &&
    isTime &&
    (footer === undefined || (typeof footer.text === 'string' && footer.text.length <= 2_048))
  )
}

function objectIn({ body, headers }: ReceivedRequest): Record<string, unknown> | undefined {
  if (!headers['content-type']?.startsWith('application/json')) return undefined
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

function json(status: number, body: object): ReceiverAnswer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
}
