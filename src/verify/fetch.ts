import { VerificationError } from './verification-error.ts'
import { verify } from './web.ts'
import { dispatch, refuse, secretFor, tooLarge, usualMaxBodyBytes, type WebhooksOptions } from './webhooks.ts'

export { VerificationError, type VerificationErrorCode } from './verification-error.ts'
export type { VerifiedEvent } from './request.ts'
export type { AnyEvent, EventOf, WebhookSecret, WebhooksOptions } from './webhooks.ts'

/**
 * Receives webhooks wherever a `Request` is answered by a `Response`: Deno, Bun, edge workers, SvelteKit, Remix.
 *
 *     Deno.serve(webhooks<Events>({ secret, on: { 'order.paid': async (event) => shipOrder(event.data.order) } }))
 *
 * Answers 204 when that has ended, 400, 401 or 413 to what is no webhook of this secret; any other error is thrown, for
 * the server to answer with 500.
 */
export function webhooks<Events extends object = Record<string, unknown>>(
  options: WebhooksOptions<Events, Request>,
): (request: Request) => Promise<Response> {
  return (request) => receive(options, { source: request, request })
}

/** `source` is what the framework knows the request by. */
export async function receive<Events extends object, Source>(
  options: WebhooksOptions<Events, Source>,
  { source, request, body }: { source: Source; request: Request; body?: string | ArrayBuffer | undefined },
): Promise<Response> {
  if (request.method !== 'POST') return new Response(null, { status: 405, headers: { allow: 'POST' } })
  const { maxBodyBytes = usualMaxBodyBytes, toleranceSeconds = 300 } = options
  let event: Awaited<ReturnType<typeof verify>>
  try {
    const raw = body ?? (await readBody(request, maxBodyBytes))
    const secret = await secretFor(options, source)
    event = await verify({ secret, headers: request.headers, body: raw, toleranceSeconds })
  } catch (error) {
    const { status, body: reason } = await refuse(error, options, source)
    return new Response(reason, { status, headers: { 'content-type': 'application/json' } })
  }
  await dispatch(event, options, source)
  return new Response(null, { status: 204 })
}

async function readBody(request: Request, maxBodyBytes: number): Promise<Uint8Array> {
  if (request.bodyUsed) {
    throw new VerificationError(
      'body_not_raw',
      'something read the body before, and the bytes that were signed are gone: ' +
        'put webhooks() before it, or let it read a clone, `request.clone()`',
    )
  }
  if (Number(request.headers.get('content-length') ?? 0) > maxBodyBytes) throw tooLarge(maxBodyBytes)
  if (!request.body) return new Uint8Array()
  const chunks: Uint8Array[] = []
  let length = 0
  for (const reader = request.body.getReader(); ;) {
    const { done, value } = await reader.read()
    if (done) return joined(chunks, length)
    length += value.length
    if (length > maxBodyBytes) {
      // Whether whoever sends it hears of this does not matter.
      reader.cancel().catch(() => {})
      throw tooLarge(maxBodyBytes)
    }
    chunks.push(value)
  }
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}
