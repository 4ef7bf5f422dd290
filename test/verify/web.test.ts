import * as fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { describe, expect, it } from 'vitest'
import { generateSecret, publicKeyOf } from '../../src/registry/secret.ts'
import { signed } from '../../src/testing/signed.ts'
import { VerificationError, verify, type VerifyOptions } from '../../src/verify/verify.ts'
import { verify as verifyOnWeb } from '../../src/verify/web.ts'

const [secret, otherSecret] = [generateSecret(), generateSecret()]
const [privateKey, otherPrivateKey] = [generateSecret('v1a'), generateSecret('v1a')]
const event = { type: 'order.paid', data: { text: 'Zoë 🚚' } }

/** The event, or the code and the words of the error. */
async function outcome(run: () => unknown): Promise<unknown> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof VerificationError)) throw error
    return { code: error.code, message: error.message }
  }
}

describe('with WebCrypto, verify', () => {
  it.each([
    ['a shared secret', secret, secret],
    ['a public key', privateKey, publicKeyOf(privateKey)!],
  ])('answers the event by %s', async (_, signing, verifying) => {
    const { headers, body } = signed(event, [otherSecret, signing, otherPrivateKey])
    expect(await verifyOnWeb({ secret: [generateSecret(), verifying], headers, body })).toMatchObject(event)
  })

  it('answers what the official library signed', async () => {
    const body = '{"test": 2432232314}'
    const now = new Date()
    const headers = {
      'webhook-id': 'msg_1',
      'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
      'webhook-signature': new Webhook(secret).sign('msg_1', now, body),
    }
    expect(await verifyOnWeb({ secret, headers, body, now })).toEqual({ test: 2_432_232_314 })
  })

  it('decides as the other one does, whatever is changed of a request', async () => {
    const part = fc.constantFrom('webhook-id', 'webhook-timestamp', 'webhook-signature', 'body')
    const key = fc.constantFrom(
      secret,
      otherSecret,
      publicKeyOf(privateKey)!,
      publicKeyOf(otherPrivateKey)!,
      '',
    )
    const { headers, body } = signed(event, [secret, privateKey])
    await fc.assert(
      fc.asyncProperty(part, fc.option(fc.nat()), key, async (name, at, given) => {
        const text = Buffer.from(name === 'body' ? body : headers[name]!)
        const bit = at === null ? undefined : at % (text.length * 8)
        if (bit !== undefined) text[bit >> 3]! ^= 1 << (bit & 7)
        const options: VerifyOptions = {
          secret: given,
          body: name === 'body' ? text : body,
          headers: name === 'body' ? headers : { ...headers, [name]: text.toString('latin1') },
          now: new Date(Number(headers['webhook-timestamp']) * 1_000),
          toleranceSeconds: Infinity,
        }
        expect(await outcome(() => verifyOnWeb(options))).toEqual(await outcome(() => verify(options)))
      }),
      { numRuns: 500 },
    )
  })

  it.each([
    ['without padding', (text: string) => text.replaceAll('=', '')],
    ['in the alphabet of URLs', (text: string) => text.replace(/[+/]|.(?==*$)/, '-')],
    ['that is cut', (text: string) => text.slice(0, -8)],
    [
      'of the other scheme',
      (text: string) => (text.startsWith('v1a') ? text.replace('v1a', 'v1') : `v1a${text.slice(2)}`),
    ],
  ])('refuses a signature %s', async (_, forge) => {
    for (const [signing, verifying] of [
      [secret, secret],
      [privateKey, publicKeyOf(privateKey)!],
    ] as const) {
      const { headers, body } = signed(event, signing)
      const forged = { ...headers, 'webhook-signature': forge(headers['webhook-signature']!) }
      const options = { secret: verifying, headers: forged, body }
      expect(await outcome(() => verifyOnWeb(options))).toMatchObject({ code: 'signature_mismatch' })
    }
  })
})
