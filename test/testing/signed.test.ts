import { Webhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { describe, expect, it } from 'vitest'
import { generateSecret, publicKeyOf } from '../../src/registry/secret.ts'
import { signed } from '../../src/testing/index.ts'
import { verify } from '../../src/verify/verify.ts'
import { verify as verifyOnWeb } from '../../src/verify/web.ts'

const secret = generateSecret()
const event = { type: 'order.paid', data: { order: 7, text: 'Zoë 🚚' } }

describe('a request that a test signs', () => {
  it('is accepted by our verifiers, by standardwebhooks and by svix', async () => {
    const { headers, body } = signed(event, secret)
    expect(verify({ secret, headers, body })).toMatchObject(event)
    expect(await verifyOnWeb({ secret, headers, body })).toMatchObject(event)
    expect(new Webhook(secret).verify(body, headers)).toMatchObject(event)
    expect(() => new SvixWebhook(secret).verify(body, headers)).not.toThrow()
    expect(() => new SvixWebhook(generateSecret()).verify(body, headers)).toThrow('No matching signature')
  })

  it('is signed by several secrets, also by a private key', () => {
    const privateKey = generateSecret('v1a')
    const { headers, body } = signed(event, [secret, privateKey])
    for (const each of [secret, publicKeyOf(privateKey)!]) {
      expect(verify({ secret: each, headers, body })).toMatchObject(event)
    }
  })

  it('is as old, as often tried and of what it is asked to be', async () => {
    const signedAt = new Date(Date.now() - 3_600_000)
    const id = '019365f0-0000-7000-8000-000000000001'
    const { headers, request } = signed({ ...event, id, environment_name: 'production' }, secret, {
      signedAt,
      attempt: 3,
      url: 'https://example.com/in',
    })
    const given = request()
    expect([given.method, given.url]).toEqual(['POST', 'https://example.com/in'])
    expect(headers).toMatchObject({
      'postrider-attempt': '3',
      'webhook-id': id,
      'postrider-event': 'order.paid',
    })
    const body = await given.text()
    expect(() => verify({ secret, headers: given.headers, body })).toThrow(/36\d\d seconds old/)
    expect(verify({ secret, headers: given.headers, body, now: signedAt })).toMatchObject({
      id,
      api_version: 'v1',
      environment_name: 'production',
      timestamp: signedAt.toISOString(),
    })
  })
})
