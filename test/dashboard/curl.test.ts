import { execFile, execFileSync } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { attemptCurl } from '../../src/dashboard/pages/attempt-curl.ts'
import { curl } from '../../src/dashboard/parts/curl.ts'
import { sign } from '../../src/deliver/sign.ts'
import { generateSecret } from '../../src/registry/secret.ts'
import { verify } from '../../src/verify/verify.ts'
import { Receiver } from '../support/receiver.ts'

/** What is copied from the dashboard is run by a shell, against a receiver that verifies it. */

const shell = promisify(execFile)
const run = async (command: string, env: NodeJS.ProcessEnv = {}) =>
  shell('bash', ['-c', command], { env: { ...process.env, no_proxy: '*', ...env }, timeout: 20_000 })

const missing = ['bash', 'curl', 'openssl'].filter((program) => {
  try {
    execFileSync('which', [program])
    return false
  } catch {
    return true
  }
})
if (missing.length > 0) process.stderr.write(`Commands are not tried: ${missing.join(', ')} is missing.\n`)

const data = { name: `Zoë's "truck" 🚚 \\ $HOME $(id) \`id\``, lines: 'one\ntwo', n: 7 }

describe.skipIf(missing.length > 0)('what is copied as curl', () => {
  test('an attempt is sent again as it was, signed anew with the secret', async () => {
    await using receiver = await Receiver.start()
    const secret = generateSecret()
    const body = JSON.stringify({ id: '1', type: 'order.paid', data })
    const url = `${receiver.url}hooks/it's?a[]={1}&b=%20$HOME`
    const signed = sign(
      {
        eventId: '019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7',
        eventType: 'order.paid',
        deliveryId: '019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d8',
        attempt: 3,
        body,
        secrets: [generateSecret()],
        headers: { 'x-quote': `it's "$HOME"` },
        url,
      },
      new Date(0),
    )
    const command = attemptCurl({ request_headers: signed.headers }, body, {
      url,
      signature_scheme: 'v1',
    })
    expect(command).toContain('whsec_…')
    await run(command.replace('whsec_…', secret))
    const [request] = await receiver.waitFor(1)
    expect(request!.url).toBe(`/hooks/it's?a[]={1}&b=%20$HOME`)
    expect(request!.headers).toMatchObject({
      'content-type': 'application/json',
      'postrider-attempt': '3',
      'x-quote': `it's "$HOME"`,
    })
    expect(verify({ secret, headers: request!.headers, body: request!.rawBody })).toMatchObject({ data })
  })

  test('one that a private key signed is sent unsigned, and says why', async () => {
    await using receiver = await Receiver.start()
    const headers = { 'webhook-id': '1', 'webhook-signature': 'v1a,x', 'x-token': '[redacted]' }
    const command = attemptCurl({ request_headers: headers }, '{}', {
      url: receiver.url,
      signature_scheme: 'v1a',
    })
    expect(command).toContain('# Not signed')
    expect(command).toContain('# Put in the values')
    await run(command)
    const [request] = await receiver.waitFor(1)
    expect(request!.body).toBe('{}')
    expect(request!.headers).not.toHaveProperty('webhook-signature')
  })

  test('a call of the API bears the key and the body', async () => {
    await using receiver = await Receiver.start()
    const env = { POSTRIDER_KEY: 'key of mine' }
    await run(curl('POST', `${receiver.url}api/events`, { type: 'order.paid', data }), env)
    await run(curl('GET', `${receiver.url}api/deliveries?status=failed&code=5xx`), env)
    const [post, get] = await receiver.waitFor(2)
    expect(post).toMatchObject({ method: 'POST', url: '/api/events' })
    expect(post!.headers).toMatchObject({
      authorization: 'Bearer key of mine',
      'content-type': 'application/json',
    })
    expect(JSON.parse(post!.body)).toEqual({ type: 'order.paid', data })
    expect(get).toMatchObject({ method: 'GET', url: '/api/deliveries?status=failed&code=5xx' })
  })
})
