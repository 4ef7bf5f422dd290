import { Webhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { expect, test } from 'vitest'
import { generateSecret, publicKeyOf } from '../../src/registry/secret.ts'
import { verify } from '../../src/verify/verify.ts'
import { startApi } from '../support/api.ts'
import { Receiver, type ReceivedRequest } from '../support/receiver.ts'

const api = await startApi()
const project = await api.createProject()
const webhooks = `${project.path}/webhooks`
const url = 'https://example.com/hook'

async function createWebhook(json: object) {
  const answer = await api.call('POST', webhooks, { json: { name: 'w', url, ...json } })
  expect(answer.status).toBe(201)
  return answer.body
}

function verified({ rawBody, headers }: ReceivedRequest, secret: string | string[]): boolean {
  try {
    verify({ secret, headers, body: rawBody })
    return true
  } catch {
    return false
  }
}

/** How a request sent now is signed. */
async function sendTest(receiver: Receiver, id: string): Promise<ReceivedRequest> {
  expect((await api.call('POST', `${webhooks}/${id}/test`)).body).toMatchObject({ success: true })
  return receiver.requests.at(-1)!
}

test('a v1a webhook shows its public key and never the private one', async () => {
  const created = await createWebhook({ signature_scheme: 'v1a' })
  expect(created).toMatchObject({
    secret: null,
    signature_scheme: 'v1a',
    public_keys: [expect.stringMatching(/^whpk_[A-Za-z0-9+/]{43}=$/)],
  })
  const { secret: _, ...shown } = created
  expect((await api.call('GET', `${webhooks}/${created.id}`, { key: project.view })).body).toEqual(shown)
  expect((await api.call('GET', webhooks)).body.webhooks[0]).toEqual(shown)
  const { rows } = await api.database.query<{ row: string; secret: string }>(
    `SELECT to_jsonb(webhooks)::text AS row, secret FROM postrider.webhooks WHERE id = $1`,
    [created.id],
  )
  expect(rows[0]!.row).not.toContain('whsk_')
  expect(rows[0]!.secret).toMatch(/^v1\.k1\./)
})

test('what it sends verifies with its public keys alone, during an overlap with each of both', async () => {
  await using receiver = await Receiver.start()
  const created = await createWebhook({ signature_scheme: 'v1a', url: receiver.url })
  const [first] = created.public_keys
  const single = await sendTest(receiver, created.id)
  expect(single.headers['webhook-signature']).toMatch(/^v1a,[A-Za-z0-9+/]{86}==$/)
  expect(verified(single, first)).toBe(true)

  const path = `${webhooks}/${created.id}/regenerate-secret`
  const rotated = (await api.call('POST', path, { json: { overlap_seconds: 60 } })).body
  expect(rotated).toMatchObject({ secret: null, previous_expires_at: expect.any(String) })
  const { public_keys } = (await api.call('GET', `${webhooks}/${created.id}`)).body
  expect(public_keys).toEqual([rotated.public_key, first])
  const overlapping = await sendTest(receiver, created.id)
  expect(overlapping.headers['webhook-signature']).toMatch(/^v1a,\S+ v1a,\S+$/)
  for (const secret of [first, rotated.public_key, public_keys]) {
    expect(verified(overlapping, secret)).toBe(true)
  }

  const last = (await api.call('POST', path, { json: { overlap_seconds: 0 } })).body
  expect((await api.call('GET', `${webhooks}/${created.id}`)).body.public_keys).toEqual([last.public_key])
  const later = await sendTest(receiver, created.id)
  expect(verified(later, public_keys)).toBe(false)
  expect(verified(later, last.public_key)).toBe(true)
})

test('a webhook goes from one scheme to the other, and in between both kinds of receivers verify', async () => {
  await using receiver = await Receiver.start()
  const created = await createWebhook({ url: receiver.url })
  const path = `${webhooks}/${created.id}/regenerate-secret`
  const { public_key, secret } = (
    await api.call('POST', path, { json: { signature_scheme: 'v1a', overlap_seconds: 60 } })
  ).body
  expect(secret).toBeNull()
  const request = await sendTest(receiver, created.id)
  expect(request.headers['webhook-signature']).toMatch(/^v1a,\S+ v1,\S+$/)
  expect(verified(request, public_key)).toBe(true)
  // The official libraries know v1 alone, and pass over what they do not know.
  const headers = request.headers as Record<string, string>
  expect(new Webhook(created.secret).verify(request.rawBody, headers)).toEqual(JSON.parse(request.body))
  expect(() => new SvixWebhook(created.secret).verify(request.rawBody, headers)).not.toThrow()

  const back = (await api.call('POST', path, { json: { signature_scheme: 'v1', overlap_seconds: 0 } })).body
  expect(back).toMatchObject({ secret: expect.stringMatching(/^whsec_/), public_key: null })
  expect((await api.call('GET', `${webhooks}/${created.id}`)).body).toMatchObject({
    signature_scheme: 'v1',
    public_keys: [],
  })
  const overlap = (await api.call('POST', path, { json: { signature_scheme: 'v1a' } })).body
  const again = await sendTest(receiver, created.id)
  expect(verified(again, [back.secret])).toBe(true)
  expect(verified(again, [overlap.public_key])).toBe(true)
})

test('a public key that runs out in an overlap is shown until then, also beside a shared secret', async () => {
  const created = await createWebhook({ signature_scheme: 'v1a' })
  const path = `${webhooks}/${created.id}/regenerate-secret`
  await api.call('POST', path, { json: { signature_scheme: 'v1', overlap_seconds: 3_600 } })
  expect((await api.call('GET', `${webhooks}/${created.id}`)).body).toMatchObject({
    signature_scheme: 'v1',
    public_keys: created.public_keys,
  })
  await api.database.query(
    `UPDATE postrider.webhooks SET previous_secret_expires_at = now() - interval '1 hour' WHERE id = $1`,
    [created.id],
  )
  expect((await api.call('GET', `${webhooks}/${created.id}`)).body.public_keys).toEqual([])
})

test('a key of the caller is taken for its own scheme only', async () => {
  const secret = generateSecret('v1a')
  const created = await createWebhook({ signature_scheme: 'v1a', secret })
  expect(created).toMatchObject({ secret: null, public_keys: [publicKeyOf(secret)] })
  for (const json of [
    { secret },
    { secret, signature_scheme: 'v1' },
    { secret: generateSecret(), signature_scheme: 'v1a' },
    { secret: `whsk_${Buffer.alloc(64).toString('base64')}`, signature_scheme: 'v1a' },
  ]) {
    const refused = await api.call('POST', webhooks, { json: { name: 'w', url, ...json } })
    expect(refused).toMatchObject({ status: 422, body: { errors: [{ path: 'secret' }] } })
    expect(refused.text).not.toContain(json.secret.slice(6))
  }
})

test('a change of the scheme is a change of the secret: PATCH does not make it', async () => {
  const { id } = await createWebhook({})
  for (const [path, json] of [
    [`${webhooks}/${id}`, { signature_scheme: 'v1a' }],
    [`${webhooks}/${id}`, { public_keys: [] }],
  ] as const) {
    expect((await api.call('PATCH', path, { json })).status).toBe(422)
  }
  for (const signature_scheme of ['v2', 'V1A', '', null]) {
    const json = { signature_scheme }
    expect((await api.call('POST', `${webhooks}/${id}/regenerate-secret`, { json })).status).toBe(422)
    expect((await api.call('POST', webhooks, { json: { name: 'w', url, ...json } })).status).toBe(422)
  }
})

test('a draft is signed by the scheme that it names', async () => {
  await using receiver = await Receiver.start()
  const secret = generateSecret('v1a')
  const json = { url: receiver.url, signature_scheme: 'v1a', secret }
  expect((await api.call('POST', `${webhooks}/test`, { json })).body).toMatchObject({ success: true })
  expect(verified(receiver.requests[0]!, publicKeyOf(secret)!)).toBe(true)
})

test('during an overlap the official libraries accept a real delivery with either secret', async () => {
  await using receiver = await Receiver.start()
  const created = await createWebhook({ url: receiver.url })
  const { secret } = (await api.call('POST', `${webhooks}/${created.id}/regenerate-secret`)).body
  const request = await sendTest(receiver, created.id)
  const headers = request.headers as Record<string, string>
  for (const each of [created.secret, secret]) {
    expect(new Webhook(each).verify(request.rawBody, headers)).toEqual(JSON.parse(request.body))
    expect(() => new SvixWebhook(each).verify(request.rawBody, headers)).not.toThrow()
    expect(verified(request, each)).toBe(true)
  }
  expect(() => new Webhook(generateSecret()).verify(request.rawBody, headers)).toThrow(
    'No matching signature',
  )
})

test('and what they sign with either secret, this verifier accepts', () => {
  const [current, previous] = [generateSecret(), generateSecret()]
  const now = new Date()
  const body = '{"type":"a","data":{"name":"Zoë 🚚"}}'
  for (const Library of [Webhook, SvixWebhook]) {
    for (const secret of [current, previous]) {
      const headers = {
        'webhook-id': 'msg_1',
        'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
        'webhook-signature': new Library(secret).sign('msg_1', now, body),
      }
      expect(verify({ secret: [current, previous], headers, body, now })).toEqual(JSON.parse(body))
      expect(() => verify({ secret: generateSecret(), headers, body, now })).toThrow('no signature fits')
    }
  }
})
