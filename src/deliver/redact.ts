import type { Answer } from './answer.ts'

/**
 * The values of a webhook's own headers are credentials more often than not: they reach no history, neither as they were
 * sent nor as a receiver echoes them.
 */

const redacted = '[redacted]'

/** A shorter value is no secret, and would tear holes into every answer. */
const shortestSecret = 6
/** Of a value that an answer was cut off in, so much of its beginning is not left standing. */
const shortestBeginning = 3

/** Request headers as the history keeps them. */
export function redactHeaders(
  headers: Readonly<Record<string, string>>,
  ownHeaderNames: readonly string[],
): Readonly<Record<string, string>> {
  if (ownHeaderNames.length === 0) return headers
  const own = new Set(ownHeaderNames.map((name) => name.toLowerCase()))
  return mapValues(headers, (value, name) => (own.has(name.toLowerCase()) ? redacted : value))
}

/** An answer as the history keeps it, without the values that the request had in its own headers. */
export function redactAnswer(
  { headers, body, bodyTruncated }: Pick<Answer, 'headers' | 'body' | 'bodyTruncated'>,
  ownValues: readonly string[],
): { headers: Record<string, string>; body: string } {
  const told = ownValues.flatMap(whatItTells).flatMap((secret) => [secret, decode(secret).plain])
  const secrets = [...new Set(told)].filter(({ length }) => length >= shortestSecret)
  if (secrets.length === 0) return { headers, body }
  return {
    headers: mapValues(headers, (value) => hide(value, secrets)),
    body: hide(body, secrets, bodyTruncated),
  }
}

/** A value gives away itself, the credentials behind their scheme, and what these say when they are read. */
function whatItTells(value: string): string[] {
  const credentials = value.replace(/^\S+ +/, '')
  if (!/^basic /i.test(value)) return [value, credentials]
  const read = Buffer.from(credentials, 'base64').toString()
  return [value, credentials, read, read.slice(read.indexOf(':') + 1)]
}

/** However it is written: as it stands, in JSON or JSON in JSON, in a URL, in HTML. */
function hide(text: string, secrets: readonly string[], isCut = false): string {
  const { plain, starts } = decode(text)
  const found: [start: number, end: number][] = []
  for (const secret of secrets) {
    for (let at = plain.indexOf(secret); at !== -1; at = plain.indexOf(secret, at + secret.length)) {
      found.push([starts[at]!, starts[at + secret.length]!])
    }
  }
  for (const cut of isCut ? [plain, plain.replace(beginningOfEscape, '')] : []) {
    const at = beginningAtEnd(cut, secrets)
    if (at !== undefined) found.push([starts[at]!, text.length])
  }
  let hidden = ''
  let from = 0
  for (const [start, end] of found.toSorted(([one], [other]) => one - other)) {
    if (end <= from) continue
    hidden += text.slice(from, Math.max(from, start)) + (start >= from ? redacted : '')
    from = end
  }
  return hidden + text.slice(from)
}

/** Where the beginning of a secret starts at the end of a text that was cut off there. */
function beginningAtEnd(plain: string, secrets: readonly string[]): number | undefined {
  const longest = Math.max(...secrets.map(({ length }) => length))
  for (let length = Math.min(longest - 1, plain.length); length >= shortestBeginning; length -= 1) {
    const end = plain.slice(-length)
    if (secrets.some((secret) => secret.length > length && secret.startsWith(end))) {
      return plain.length - length
    }
  }
  return undefined
}

const escape =
  /\\+u00(?<json>[0-9a-f]{2})|%(?<url>[0-9a-f]{2})|&#(?<decimal>\d{1,3});|&#x0*(?<hex>[0-9a-f]{1,2});|&(?<name>quot|amp|lt|gt|apos);|\\+/gi

/** At the end of a text that was cut off. */
const beginningOfEscape = /(?:u0{0,2}[0-9a-f]?|%[0-9a-f]?|&[#a-z0-9]{0,6})$/i

const named: Record<string, string> = { quot: '"', amp: '&', lt: '<', gt: '>', apos: "'" }

/** A text without its escapes, and where each of its characters, and its end, stood. In one pass: no text takes long. */
function decode(text: string): { plain: string; starts: number[] } {
  let plain = ''
  const starts: number[] = []
  const take = (characters: string, start: number): void => {
    for (let index = 0; index < characters.length; index += 1) starts.push(start + index)
    plain += characters
  }
  let from = 0
  for (const { 0: match, index, groups = {} } of text.matchAll(escape)) {
    take(text.slice(from, index), from)
    take(meaning(groups), index)
    from = index + match.length
  }
  take(text.slice(from), from)
  starts.push(text.length)
  return { plain, starts }
}

function meaning({ json, url, decimal, hex, name }: Record<string, string | undefined>): string {
  if (name !== undefined) return named[name.toLowerCase()]!
  const digits = json ?? url ?? hex
  if (digits !== undefined) return String.fromCharCode(parseInt(digits, 16))
  return decimal === undefined ? '' : String.fromCharCode(Number(decimal))
}

function mapValues(
  headers: Readonly<Record<string, string>>,
  change: (value: string, name: string) => string,
): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, change(value, name)]))
}
