import type { AddressInfo } from 'node:net'
import { writeHistory } from './history.ts'
import { eventTypes, receivers, sampleEvents, startReceivers } from './receivers.ts'

/** A project that looks as one in use does: receivers that are well, slow, broken and gone, and a day of history. */

export interface Seeded {
  projectId: string
  /** By the names below. */
  webhooks: Record<string, string>
  /** One that was tried again and delivered in the end, and one that still waits. */
  recovered: string
  waiting: string
  eventId: string
  /** One that a filter kept back, and one that no webhook wanted. */
  keptBackId: string
  unmatchedId: string
  close(): Promise<void>
}

interface Ground {
  url: string
  adminKey: string
  connectionString: string
}

export async function seed({ url, adminKey, connectionString }: Ground): Promise<Seeded> {
  const server = await startReceivers()
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const call = caller(url, adminKey)
  const { id: projectId } = await call<{ id: string }>('POST', '/api/projects', { name: 'Shop' })
  await call('POST', '/api/projects', { name: 'Shop, staging' })
  const project = `/api/projects/${projectId}`
  await letIn(
    url,
    await call('POST', `${project}/invitations`, { email: 'grace@example.com', role: 'manage' }),
    'Grace Hopper',
  )
  await letIn(
    url,
    await call('POST', `${project}/invitations`, { email: 'barbara@example.com', role: 'publish' }),
    'Barbara Liskov',
  )
  await call('POST', `${project}/invitations`, { email: 'edsger@example.com', role: 'view' })
  for (const name of ['checkout', 'storefront', 'back office'])
    await call('POST', `${project}/applications`, { name })
  await call('POST', `${project}/api-keys`, { name: 'shop backend', role: 'publish' })
  await call('POST', `${project}/api-keys`, {
    name: 'reporting',
    role: 'view',
    expires_at: new Date(Date.now() + 80 * 86_400_000).toISOString(),
  })
  await call('POST', `${project}/api-keys`, { name: 'terraform', role: 'manage' })
  for (const eventType of eventTypes) await call('POST', `${project}/event-types`, eventType)
  const webhooks: Record<string, string> = {}
  for (const [name, { url: path, types, settings }] of Object.entries(receivers)) {
    const made = await call<{ id: string }>('POST', `${project}/webhooks`, {
      name,
      url: `${origin}/${path}`,
      event_types: types,
      ...settings,
    })
    webhooks[name] = made.id
  }
  await publish(call, project)
  await settle(call, project)
  await writeHistory(connectionString, projectId, webhooks)
  await call('PATCH', `${project}/webhooks/${webhooks['Billing']}`, {
    description: 'Books what was paid. Owned by finance.',
  })
  const ofWarehouse = `${project}/webhooks/${webhooks['Warehouse']}/deliveries`
  const recovered = await findDelivery(
    call,
    ofWarehouse,
    ({ status, attempts }) => status === 'delivered' && attempts > 1,
  )
  const waiting = await findDelivery(
    call,
    ofWarehouse,
    ({ status, attempts }) => status === 'pending' && attempts > 1,
  )
  const unmatched = await call<{ id: string }>('POST', `${project}/events`, {
    type: 'cart.abandoned',
    data: { cart_id: 'cart_2207', items: 3 },
    environment_name: 'production',
  })
  const { filtered_deliveries: kept } = await call<{ filtered_deliveries: { event_id: string }[] }>(
    'GET',
    `${project}/webhooks/${webhooks['Large orders']}/filtered-deliveries?limit=1`,
  )
  await call('POST', `${project}/webhooks/${webhooks['Search index']}/regenerate-secret`)
  const { events: published } = await call<{ events: { id: string }[] }>(
    'GET',
    `${project}/events?type=order.created&limit=1`,
  )
  return {
    projectId,
    webhooks,
    recovered,
    waiting,
    eventId: published[0]!.id,
    keptBackId: kept[0]!.event_id,
    unmatchedId: unmatched.id,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

/** Opens an invitation as the invited would. */
async function letIn(url: string, invitation: { url: string }, name: string): Promise<void> {
  const token = new URLSearchParams(new URL(invitation.url).hash.slice(1)).get('token')
  const response = await fetch(`${url}/api/links/accept`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: url },
    body: JSON.stringify({ token, name, password: 'correct horse battery staple' }),
  })
  if (!response.ok) throw new Error(`${name} could not be let in: ${await response.text()}`)
}

type Call = <Result>(method: string, path: string, body?: object) => Promise<Result>

export function caller(url: string, key: string): Call {
  return async <Result>(method: string, path: string, body?: object): Promise<Result> => {
    const response = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return (text === '' ? undefined : JSON.parse(text)) as Result
  }
}

async function publish(call: Call, project: string): Promise<void> {
  for (let index = 0; index < 70; index += 1) {
    const [type, data] = sampleEvents[(index * 3) % sampleEvents.length]!
    await call('POST', `${project}/events`, {
      type,
      data: data(index),
      environment_name: index % 4 === 0 ? 'staging' : 'production',
    })
  }
  await call('POST', `${project}/events`, {
    type: 'order.created',
    data: sampleEvents[0]![1](71),
    environment_name: 'production',
  })
}

/** Until nothing is under way any more, and one delivery was delivered at its second try. */
async function settle(call: Call, project: string): Promise<void> {
  const endMs = Date.now() + 15_000
  while (Date.now() < endMs) {
    const { deliveries } = await call<{
      deliveries: { status: string; attempts: number; scheduled_at: string }[]
    }>('GET', `${project}/deliveries?limit=100`)
    const isBusy = deliveries.some(
      ({ status, scheduled_at }) =>
        status === 'delivering' || (status === 'pending' && Date.parse(scheduled_at) < Date.now() + 3_000),
    )
    if (!isBusy) return
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
}

interface Found {
  id: string
  status: string
  attempts: number
}

async function findDelivery(call: Call, path: string, fits: (delivery: Found) => boolean): Promise<string> {
  const { deliveries } = await call<{ deliveries: Found[] }>('GET', `${path}?limit=100`)
  const found = deliveries.find(fits) ?? deliveries[0]
  if (!found) throw new Error(`The demo has no delivery for ${path}.`)
  return found.id
}
