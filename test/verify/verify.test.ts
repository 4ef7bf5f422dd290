import { generateKeyPairSync, sign } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { describe, expect, it } from 'vitest'
import {
  type RequestHeaders,
  VerificationError,
  verify,
  type VerifyOptions,
} from '../../src/verify/verify.ts'

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const otherSecret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const id = '019365f0-0000-7000-8000-000000000001'
const seconds = 1_614_265_330
const now = new Date(seconds * 1_000)
const event = {
  id,
  timestamp: '2021-02-25T15:02:10.000Z',
  type: 'config.deployed',
  api_version: '1',
  project_id: '019365f0-0000-7000-8000-000000000002',
  data: { name: 'Zoë 🚚' },
}
const body = JSON.stringify(event)
const headers: Record<string, string> = {
  'webhook-id': id,
  'webhook-timestamp': String(seconds),
  'webhook-signature': new Webhook(secret).sign(id, now, body),
}
const valid: VerifyOptions = { secret, headers, body, now }

describe('verify answers the event', () => {
  it('of the Standard Webhooks vector', () => {
    const vector = {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    }
    const options = { secret, headers: vector, body: '{"test": 2432232314}', now }
    expect(verify(options)).toEqual({ test: 2_432_232_314 })
  })

  it('with its type known to the caller', () => {
    const { data, type, application_id } = verify<{ name: string }>(valid)
    expect([data.name, type, application_id]).toEqual(['Zoë 🚚', 'config.deployed', undefined])
  })

  it.each<[string, VerifyOptions['body']]>([
    ['a string', body],
    ['a Buffer', Buffer.from(body)],
    ['a Uint8Array', new TextEncoder().encode(body)],
    ['a part of a larger buffer', Buffer.from(`##${body}##`).subarray(2, -2)],
    ['an ArrayBuffer', new TextEncoder().encode(body).buffer],
  ])('from a body that is %s', (_, given) => {
    expect(verify({ ...valid, body: given })).toEqual(event)
  })

  it.each<[string, RequestHeaders]>([
    ['a Headers', new Headers(headers)],
    ['lower-case names', headers],
    [
      'other case',
      Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value])),
    ],
    ['arrays of values', Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]]))],
    ['other headers too', { ...headers, host: 'example.com', 'set-cookie': ['a', 'b'], 'x-none': undefined }],
  ])('from headers given as %s', (_, given) => {
    expect(verify({ ...valid, headers: given })).toEqual(event)
  })

  it.each([
    ['without its prefix', secret.slice('whsec_'.length)],
    ['with the end of the line that a file has', `${secret}\n`],
  ])('by a secret %s', (_, given) => {
    expect(verify({ ...valid, secret: given })).toEqual(event)
  })

  it('of headers named after Svix, and only as a whole', () => {
    const named = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.replace('webhook', 'svix'), value]),
    )
    expect(verify({ ...valid, headers: named })).toEqual(event)
    expect(() => verify({ ...valid, headers: { ...named, 'webhook-id': id } })).toThrow(
      code('missing_header'),
    )
  })

  it('when one of several secrets fits one of several signatures', () => {
    const signatures = `v1,AAAA v1a,AAAA ${headers['webhook-signature']} v2,AAAA`
    const options = {
      ...valid,
      secret: [otherSecret, secret],
      headers: { ...headers, 'webhook-signature': signatures },
    }
    expect(verify(options)).toEqual(event)
  })

  it.each([-300, -1, 0, 299, 300])('when it is %i seconds old', (age) => {
    expect(verify({ ...valid, now: new Date((seconds + age) * 1_000) })).toEqual(event)
  })

  it('by the present moment, when none is given', () => {
    const present = new Date()
    const signature = new Webhook(secret).sign(id, present, body)
    const timestamp = String(Math.floor(present.getTime() / 1_000))
    const fresh = { ...headers, 'webhook-timestamp': timestamp, 'webhook-signature': signature }
    expect(verify({ secret, headers: fresh, body })).toEqual(event)
    expect(() => verify({ secret, headers, body })).toThrow(code('timestamp_too_old'))
  })

  it('of whatever the official library signed', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }),
        fc.jsonValue(),
        fc.uint8Array({ minLength: 24, maxLength: 64 }),
        (...any) => {
          const [anyId, value, key] = any
          const anySecret = `whsec_${Buffer.from(key).toString('base64')}`
          const text = JSON.stringify(value)
          const signature = new Webhook(anySecret).sign(anyId, now, text)
          const signed = { ...headers, 'webhook-id': anyId, 'webhook-signature': signature }
          expect(verify({ secret: anySecret, headers: signed, body: text, now })).toEqual(JSON.parse(text))
        },
      ),
    )
  })
})

describe('verify refuses', () => {
  it('one flipped bit anywhere', () => {
    const part = fc.constantFrom('webhook-id', 'webhook-timestamp', 'webhook-signature', 'body')
    fc.assert(
      fc.property(part, fc.nat(), (name, at) => {
        const flipped = Buffer.from(name === 'body' ? body : headers[name]!)
        const bit = at % (flipped.length * 8)
        flipped[bit >> 3]! ^= 1 << (bit & 7)
        const forged =
          name === 'body'
            ? { body: flipped }
            : { headers: { ...headers, [name]: flipped.toString('latin1') } }
        expect(() => verify({ ...valid, toleranceSeconds: Infinity, ...forged })).toThrow(VerificationError)
      }),
      { numRuns: 2_000 },
    )
  })

  it('another secret', () => {
    expect(() => verify({ ...valid, secret: otherSecret })).toThrow(code('signature_mismatch'))
  })

  it.each([
    ['a body that was parsed and written again', { body: JSON.stringify(event, null, 2) }],
    ['another spelling of the signature', { headers: { ...headers, 'webhook-signature': spelledAnew() } }],
    [
      'a signature of another version',
      { headers: { ...headers, 'webhook-signature': headers['webhook-signature']!.replace('v1', 'v2') } },
    ],
    ['a body that something read before', { body: '' }],
    ['no signature but the version', { headers: { ...headers, 'webhook-signature': 'v1,' } }],
  ])('%s', (_, forged) => {
    expect(() => verify({ ...valid, ...forged })).toThrow(code('signature_mismatch'))
  })

  it.each(['webhook-id', 'webhook-timestamp', 'webhook-signature'])('a request without %s', (name) => {
    const missing = expect.objectContaining({
      code: 'missing_header',
      message: expect.stringContaining(name),
    })
    expect(() => verify({ ...valid, headers: { ...headers, [name]: '' } })).toThrow(missing)
    expect(() => verify({ ...valid, headers: { ...headers, [name]: undefined } })).toThrow(missing)
    expect(() => verify({ ...valid, headers: undefined as never })).toThrow(code('missing_header'))
  })

  it.each([
    ['too old', 301, 300, 'timestamp_too_old'],
    ['too new', -301, 300, 'timestamp_too_new'],
    ['older than a narrower tolerance', 11, 10, 'timestamp_too_old'],
    ['of any age, with a tolerance that is no number', 0, NaN, 'timestamp_too_new'],
  ] as const)('a request that is %s', (_, age, toleranceSeconds, wanted) => {
    const later = new Date((seconds + age) * 1_000)
    expect(() => verify({ ...valid, now: later, toleranceSeconds })).toThrow(code(wanted))
  })

  it.each(['yesterday', '-1', '1614265330.5', '0x60379b72', '1e9', ' 1614265330', '9'.repeat(20)])(
    'the timestamp %j',
    (timestamp) => {
      const given = { ...headers, 'webhook-timestamp': timestamp }
      expect(() => verify({ ...valid, headers: given })).toThrow(code('invalid_timestamp'))
    },
  )

  it.each([[event], [undefined], [null], [7]])(
    'a body that is not raw (%o), and says what to pass',
    (parsed) => {
      expect(() => verify({ ...valid, body: parsed as never })).toThrow(
        expect.objectContaining({
          code: 'body_not_raw',
          message: expect.stringContaining('pass the raw body'),
        }),
      )
    },
  )

  it.each([
    ['a promise', Promise.resolve(body), /promise.*await/],
    ['a request', new Request('http://localhost', { method: 'POST', body }), /await request\.text\(\)/],
    ['parsed', event, /parsed.*express\.raw/],
    ['none', undefined, /nothing has read it yet/],
  ])('a body that is %s with what to do about it', (_, given, advice) => {
    expect(() => verify({ ...valid, body: given as never })).toThrow(advice)
  })

  it('a body that middleware parsed and wrote again, and tells that by its length', () => {
    const spaced = JSON.stringify(event, undefined, 1)
    const signature = new Webhook(secret).sign(id, now, spaced)
    const length = String(Buffer.byteLength(spaced))
    const signed = { ...headers, 'webhook-signature': signature, 'content-length': length }
    expect(verify({ ...valid, headers: signed, body: spaced })).toEqual(event)
    const again = JSON.stringify(JSON.parse(spaced))
    expect(() => verify({ ...valid, headers: signed, body: again })).toThrow(
      /parsed the JSON and wrote it again.*express\.raw/,
    )
  })

  it('a secret that an environment lacks, and says so', () => {
    expect(() => verify({ ...valid, secret: undefined as never })).toThrow(/environment variable/)
    expect(() => verify({ ...valid, secret: `"${secret}"` })).toThrow(/without quotes/)
  })

  it.each([[''], ['whsec_'], ['whsec_c2hvcnQ='], ['not a secret!'], [undefined], [[]], [[secret, '']]])(
    'to work with the secret %j',
    (given) => {
      expect(() => verify({ ...valid, secret: given as never })).toThrow(code('invalid_secret'))
    },
  )

  it('a signed body that is not JSON', () => {
    const signature = new Webhook(secret).sign(id, now, 'hello')
    const signed = { ...headers, 'webhook-signature': signature }
    expect(() => verify({ ...valid, headers: signed, body: 'hello' })).toThrow(code('invalid_json'))
  })
})

describe('with a public key (v1a), verify', () => {
  /** The vectors of the reference implementations: a pair of seed and public key, and a seed alone. */
  const vector = {
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    body: '{"test": 2432232314}',
    publicKey: 'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=',
    signature: 'v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==',
  }
  const [key, otherKey] = [newKey(), newKey()]
  const signed = signedBy(key)
  const valid = { secret: key.public, headers: signed, body, now }

  it('answers the vector', () => {
    const signedVector = {
      'webhook-id': vector.id,
      'webhook-timestamp': String(seconds),
      'webhook-signature': vector.signature,
    }
    expect(verify({ secret: vector.publicKey, headers: signedVector, body: vector.body, now })).toEqual({
      test: 2_432_232_314,
    })
  })

  it('answers the event when one of several keys of either kind fits one of several signatures', () => {
    const both = {
      ...signed,
      'webhook-signature': `${headers['webhook-signature']} v1a,AAAA ${signed['webhook-signature']}`,
    }
    for (const given of [key.public, secret, [otherKey.public, key.public], [otherKey.public, secret]]) {
      expect(verify({ ...valid, secret: given, headers: both })).toEqual(event)
    }
    expect(() => verify({ ...valid, secret: [otherKey.public, otherSecret], headers: both })).toThrow(
      code('signature_mismatch'),
    )
  })

  it('refuses one flipped bit anywhere', () => {
    const part = fc.constantFrom('webhook-id', 'webhook-timestamp', 'webhook-signature', 'body')
    fc.assert(
      fc.property(part, fc.nat(), (name, at) => {
        const flipped = Buffer.from(name === 'body' ? body : signed[name]!)
        const bit = at % (flipped.length * 8)
        flipped[bit >> 3]! ^= 1 << (bit & 7)
        const forged =
          name === 'body' ? { body: flipped } : { headers: { ...signed, [name]: flipped.toString('latin1') } }
        expect(() => verify({ ...valid, toleranceSeconds: Infinity, ...forged })).toThrow(VerificationError)
      }),
      { numRuns: 500 },
    )
  })

  it.each([
    ['the signature without padding', (text: string) => text.replaceAll('=', '')],
    ['the signature in the alphabet of URLs', (text: string) => text.replace(/[+/]|.(?==*$)/, '-')],
    ['a signature that is cut', (text: string) => text.slice(0, -8)],
    ['the signature as one of v1', (text: string) => text.replace('v1a', 'v1')],
    ['an HMAC with the public key', () => new Webhook(key.public.slice(5)).sign(id, now, body)],
    [
      'an HMAC with the public key as v1a',
      () => new Webhook(key.public.slice(5)).sign(id, now, body).replace('v1', 'v1a'),
    ],
  ])('refuses %s', (_, forge) => {
    const forged = { ...signed, 'webhook-signature': forge(signed['webhook-signature']!) }
    expect(() => verify({ ...valid, headers: forged })).toThrow(code('signature_mismatch'))
  })

  it('says so when the secret is of the other kind, or the one of the sender', () => {
    expect(() => verify({ ...valid, secret })).toThrow(/pass the public key of the webhook, "whpk_/)
    expect(() => verify({ ...valid, headers })).toThrow(/pass the secret of the webhook, "whsec_/)
    expect(() => verify({ ...valid, secret: key.private })).toThrow(code('invalid_secret'))
    expect(() => verify({ ...valid, secret: 'whpk_c2hvcnQ=' })).toThrow(code('invalid_secret'))
    expect(() => verify({ ...valid, secret: 'whpk_' })).toThrow(code('invalid_secret'))
  })

  it('looks at no more signatures than a sender would make', () => {
    const flood = `${`v1a,${Buffer.alloc(64).toString('base64')} `.repeat(20)}${signed['webhook-signature']}`
    expect(() => verify({ ...valid, headers: { ...signed, 'webhook-signature': flood } })).toThrow(
      code('signature_mismatch'),
    )
  })
})

it('imports nothing but node:crypto, so that a receiver takes in nothing of the server', () => {
  const folder = new URL('../../src/verify/', import.meta.url)
  const imported = (file: string) => {
    const source = readFileSync(new URL(file, folder), 'utf8')
    return source.match(/(?<=^(?:import|export) (?!type ).*from ')(?!\.\/).*(?=')/gm) ?? []
  }
  expect([...new Set(readdirSync(folder).flatMap(imported))]).toEqual(['node:crypto'])
})

function newKey() {
  const { privateKey } = generateKeyPairSync('ed25519')
  const { d, x } = privateKey.export({ format: 'jwk' })
  const raw = [d!, x!].map((part) => Buffer.from(part, 'base64url'))
  return {
    privateKey,
    private: `whsk_${Buffer.concat(raw).toString('base64')}`,
    public: `whpk_${raw[1]!.toString('base64')}`,
  }
}

function signedBy({ privateKey }: ReturnType<typeof newKey>): Record<string, string> {
  const signature = sign(null, Buffer.from(`${id}.${seconds}.${body}`), privateKey)
  return { ...headers, 'webhook-signature': `v1a,${signature.toString('base64')}` }
}

/** The same 32 bytes in a base64 that decodes alike: the last letter has two bits that do not count. */
function spelledAnew(): string {
  const signature = headers['webhook-signature']!
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  const last = letters.indexOf(signature.at(-2)!)
  return `${signature.slice(0, -2)}${letters[last ^ 1]}=`
}

function code(wanted: string): VerificationError {
  return expect.objectContaining({ name: 'VerificationError', code: wanted })
}
