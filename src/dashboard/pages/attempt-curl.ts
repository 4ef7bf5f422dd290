import type { Attempt, Webhook } from '../api/types.ts'
import { address, quoted } from '../parts/curl.ts'

export type HeaderFields = Record<string, string | string[]>

/** One line for each value. */
export function linesOf(headers: HeaderFields): [string, string][] {
  return Object.entries(headers).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((each): [string, string] => [name, each]),
  )
}

/** What is made anew, or by curl itself. */
const notCopied = /^(webhook-(timestamp|signature)|content-length|host|connection)$/i

/**
 * The request of an attempt as a command. It is signed anew, with a secret that whoever runs it has: the one of the webhook
 * is nowhere to be read. With a private key (`v1a`) nobody else can sign.
 */
export function attemptCurl(
  { request_headers }: Pick<Attempt, 'request_headers'>,
  body: string,
  { url, signature_scheme }: Pick<Webhook, 'url' | 'signature_scheme'>,
): string {
  const sent = linesOf(request_headers)
  const id = sent.find(([name]) => name.toLowerCase() === 'webhook-id')?.[1] ?? ''
  const isRedacted = sent.some(([, value]) => value === '[redacted]')
  const isSigned = signature_scheme === 'v1'
  return [
    ...(isRedacted ? ['# Put in the values of the headers that say [redacted].'] : []),
    ...(isSigned
      ? [`SECRET='whsec_…' # the secret of this webhook`]
      : ['# Not signed: the private key of this webhook never leaves the server.']),
    `BODY=${quoted(body)}`,
    ...(isSigned ? signing(id) : []),
    `curl ${address(url)} \\`,
    ...sent
      .filter(([name]) => !notCopied.test(name))
      .map(([name, value]) => `  -H ${quoted(`${name}: ${value}`)} \\`),
    ...(isSigned
      ? [`  -H "webhook-timestamp: $TIMESTAMP" -H "webhook-signature: v1,$SIGNATURE" \\`]
      : [`  -H "webhook-timestamp: $(date +%s)" \\`]),
    `  --data-binary "$BODY"`,
  ].join('\n')
}

function signing(id: string): string[] {
  const key = `$(printf '%s' "\${SECRET#whsec_}" | base64 -d | od -An -vtx1 | tr -d ' \\n')`
  return [
    'TIMESTAMP=$(date +%s)',
    `SIGNATURE=$(printf '%s' ${quoted(id)}".$TIMESTAMP.$BODY" |`,
    `  openssl dgst -sha256 -mac HMAC -macopt hexkey:${key} -binary | base64)`,
  ]
}
