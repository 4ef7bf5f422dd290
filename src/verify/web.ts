import { mismatch, parse, readRequest, type VerifiedEvent, type VerifyOptions } from './request.ts'
import { secretsOf } from './secrets.ts'
import { signedBy } from './web-keys.ts'

export type { RequestHeaders, VerifiedEvent, VerifyOptions } from './request.ts'
export { VerificationError, type VerificationErrorCode } from './verification-error.ts'

/**
 * The same as `verify` of `postrider/verify` with nothing but WebCrypto, which answers later: for edge workers, Deno and
 * browsers.
 *
 *     const event = await verify({ secret, headers: request.headers, body: await request.text() })
 */
export async function verify<Data = unknown>(options: VerifyOptions): Promise<VerifiedEvent<Data>> {
  const secrets = secretsOf(options.secret)
  const request = readRequest(options)
  for (const secret of secrets) {
    const fits = await signedBy(secret, request.content)
    for (const signature of request.signatures) {
      if (await fits(signature)) return parse<Data>(request.body)
    }
  }
  throw mismatch(request, secrets)
}
