import * as fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Sender } from '../../src/deliver/send.ts'
import { sign, type SigningInput } from '../../src/deliver/sign.ts'
import { generateSecret } from '../../src/registry/secret.ts'
import { version } from '../../src/version.ts'
import { Receiver, type ReceivedRequest } from '../support/receiver.ts'

type Verifiable = Pick<ReceivedRequest, 'headers' | 'rawBody'>

/** The vector of Standard Webhooks. */
const vector: SigningInput = {
  eventId: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  eventType: 'config.deployed',
  deliveryId: '019365f0-0000-7000-8000-000000000001',
  attempt: 1,
  body: '{"test": 2432232314}',
  secrets: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
  headers: {},
  url: 'https://example.com/webhooks',
}
const vectorTime = new Date(1_614_265_330_000)

describe('sign', () => {
  it('gives the signature of the Standard Webhooks vector', () => {
    const { headers } = sign(vector, vectorTime)
    expect(headers['webhook-signature']).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
  })

  it('sends the headers of the contract and the body as it is', () => {
    expect(sign({ ...vector, attempt: 3 }, new Date(1_614_265_330_999))).toEqual({
      url: 'https://example.com/webhooks',
      body: '{"test": 2432232314}',
      headers: {
        'content-type': 'application/json',
        'user-agent': `Postrider/${version}`,
        'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
        'webhook-timestamp': '1614265330',
        'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
        'postrider-event': 'config.deployed',
        'postrider-delivery': '019365f0-0000-7000-8000-000000000001',
        'postrider-attempt': '3',
      },
    })
  })

  it('signs with every valid secret, the newest first', () => {
    const secrets = [generateSecret(), ...vector.secrets]
    const [newest, older] = sign({ ...vector, secrets }, vectorTime).headers['webhook-signature']!.split(' ')
    expect(older).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
    expect(newest).toBe(new Webhook(secrets[0]!).sign(vector.eventId, vectorTime, vector.body))
  })

  it('signs with a private key as v1a, beside a shared secret while one replaces the other', () => {
    const pair =
      'whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=='
    const { headers } = sign({ ...vector, secrets: [pair, ...vector.secrets] }, vectorTime)
    expect(headers['webhook-signature']).toBe(
      'v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg== ' +
        'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    )
  })

  it('takes a secret of any form from before this program as it is', () => {
    for (const secret of ['no form at all', 'whsk_no key', 'whsk_']) {
      const { headers } = sign({ ...vector, secrets: [secret] }, vectorTime)
      const expected = new Webhook(secret, { format: 'raw' }).sign(vector.eventId, vectorTime, vector.body)
      expect(headers['webhook-signature']).toBe(expected)
    }
  })

  it("adds the webhook's own headers and lets none of them replace its own", () => {
    const own = {
      Authorization: 'Bearer t',
      'Webhook-Id': 'forged',
      'POSTRIDER-ATTEMPT': '9',
      __proto__: 'x',
    }
    const { headers } = sign({ ...vector, headers: own }, vectorTime)
    expect(headers).toMatchObject({
      Authorization: 'Bearer t',
      'webhook-id': vector.eventId,
      'postrider-attempt': '1',
    })
    expect(Object.keys(headers).filter((name) => name.toLowerCase() === 'webhook-id')).toEqual(['webhook-id'])
  })
})

describe('requests as they are received', () => {
  const secret = generateSecret()
  const sender = new Sender({ policy: { allowHttp: true, allowPrivate: ['127.0.0.0/8'] } })
  let receiver: Receiver

  beforeAll(async () => {
    receiver = await Receiver.start()
  })
  afterAll(async () => {
    await sender.close()
    await receiver.close()
  })

  async function deliver(input: Partial<SigningInput>): Promise<ReceivedRequest> {
    const request = sign({ ...vector, url: receiver.url, secrets: [secret], ...input }, new Date())
    const answer = await sender.send(request, { timeoutMs: 5_000 })
    expect(answer).toMatchObject({ kind: 'answer', status: 204 })
    return receiver.requests.at(-1)!
  }

  const official = {
    standardwebhooks: ({ headers, rawBody }: Verifiable) =>
      new Webhook(secret).verify(rawBody, headers as never),
    svix: ({ headers, rawBody }: Verifiable) => new SvixWebhook(secret).verify(rawBody, headers as never),
  }

  const bodies = {
    'the vector': vector.body,
    'text outside ASCII': '{"name":"Zoë 🚚 שלום"}',
    'numbers that no double holds': '{"n":12345678901234567890.123456789012345678901234567890}',
    'an empty object': '{}',
    '256 KiB': JSON.stringify({ data: 'x'.repeat(262_144) }),
  }
  it.each(Object.entries(bodies))(
    'the official libraries verify %s, byte for byte what was signed',
    async (_, body) => {
      const request = await deliver({ body })
      expect(request.rawBody.equals(Buffer.from(body))).toBe(true)
      expect(official.standardwebhooks(request)).toEqual(JSON.parse(body))
      expect(() => official.svix(request)).not.toThrow()
    },
  )

  it('is a POST with the length, host and headers of the contract, and nothing about encodings', async () => {
    const request = await deliver({
      url: `${receiver.url}hooks/ä?q=1&r=%20#top`,
      headers: { 'X-Own': 'yes' },
    })
    expect(request).toMatchObject({ method: 'POST', url: '/hooks/%C3%A4?q=1&r=%20' })
    expect(Object.keys(request.headers).toSorted()).toEqual([
      'connection',
      'content-length',
      'content-type',
      'host',
      'postrider-attempt',
      'postrider-delivery',
      'postrider-event',
      'user-agent',
      'webhook-id',
      'webhook-signature',
      'webhook-timestamp',
      'x-own',
    ])
    expect(request.headers.host).toBe(`127.0.0.1:${receiver.port}`)
  })

  it('while two secrets are valid, each of them verifies', async () => {
    const newest = generateSecret()
    const request = await deliver({ secrets: [newest, secret] })
    expect(official.standardwebhooks(request)).toBeDefined()
    expect(new Webhook(newest).verify(request.rawBody, request.headers as never)).toBeDefined()
  })

  it('fails verification with any one bit flipped in id, timestamp, signature or body', async () => {
    const request = await deliver({ body: '{"name":"Zoë 🚚"}' })
    const refusal =
      /^(No matching signature found|Invalid Signature Headers|Message timestamp too (old|new))$/
    const part = fc.constantFrom('webhook-id', 'webhook-timestamp', 'webhook-signature', 'body')
    fc.assert(
      fc.property(part, fc.nat(), (name, at) => {
        const original = name === 'body' ? request.rawBody : Buffer.from(String(request.headers[name]))
        const flipped = Buffer.from(original)
        const bit = at % (flipped.length * 8)
        flipped[bit >> 3]! ^= 1 << (bit & 7)
        const headers =
          name === 'body' ? request.headers : { ...request.headers, [name]: flipped.toString('latin1') }
        const forged = { headers, rawBody: name === 'body' ? flipped : request.rawBody }
        expect(() => official.standardwebhooks(forged)).toThrow(refusal)
        expect(() => official.svix(forged)).toThrow(refusal)
      }),
      { numRuns: 1_000 },
    )
  })
})
