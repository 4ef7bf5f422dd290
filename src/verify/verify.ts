import { signedBy } from './keys.ts'
import { mismatch, parse, readRequest, type VerifiedEvent, type VerifyOptions } from './request.ts'
import { secretsOf } from './secrets.ts'

export type { RequestHeaders, VerifiedEvent, VerifyOptions } from './request.ts'
export { VerificationError, type VerificationErrorCode } from './verification-error.ts'

/**
 * Checks the signature of a webhook request (Standard Webhooks 1.0) and answers its event, or throws a
 * `VerificationError`. Needs `node:crypto`; where there is none, `postrider/verify/web` does the same with WebCrypto.
 *
 *     app.post('/webhooks', express.raw({ type: 'application/json' }), (request, response) => {
 *       const event = verify({ secret: process.env.WEBHOOK_SECRET, headers: request.headers, body: request.body })
 *       console.log(event.type, event.data)
 *       response.sendStatus(204)
 *     })
 */
export function verify<Data = unknown>(options: VerifyOptions): VerifiedEvent<Data> {
  const secrets = secretsOf(options.secret)
  const request = readRequest(options)
  const { content, signatures, body } = request
  if (!secrets.some((secret) => signatures.some(signedBy(secret, content)))) throw mismatch(request, secrets)
  return parse<Data>(body)
}
