import { createServer, type Server } from 'node:http'

type Answer = (count: number) => {
  status: number
  body?: string
  delayMs?: number
  headers?: Record<string, string>
}

const json = { 'content-type': 'application/json' }

/** What each receiver answers to its nth request. */
export const receivers: Record<
  string,
  { url: string; types: string[]; answer: Answer; headers?: Record<string, string> }
> = {
  Billing: {
    url: 'billing/webhooks',
    types: ['invoice.*', 'subscription.*'],
    answer: (count) => ({
      status: 200,
      body: '{"received":true}',
      headers: json,
      delayMs: 24 + (count % 7) * 9,
    }),
    headers: { 'x-api-token': 'secret of the receiver' },
  },
  'Search index': {
    url: 'search/ingest',
    types: ['product.*'],
    answer: (count) => ({ status: 204, delayMs: 8 + (count % 5) * 6 }),
  },
  Warehouse: {
    url: 'warehouse/hooks/orders',
    types: ['order.*'],
    answer: (count) =>
      count % 3 === 0
        ? { status: 200, body: 'ok', delayMs: 90 }
        : {
            status: 503,
            body: '{\n  "error": "database is in recovery mode",\n  "trace_id": "7c1f40be1e",\n  "retry": true\n}',
            delayMs: 212,
            headers: { ...json, server: 'nginx', 'x-request-id': 'b3f1c7e2' },
          },
  },
  'Customer.io sync': {
    url: 'crm/events',
    types: ['user.*', 'order.completed'],
    answer: (count) => ({
      status: count % 6 === 5 ? 422 : 202,
      body: '{"status":"queued"}',
      headers: json,
      delayMs: 60 + (count % 4) * 25,
    }),
  },
  Analytics: {
    url: 'analytics/collect',
    types: ['*'],
    answer: (count) => ({ status: 200, body: 'ok', delayMs: 14 + (count % 9) * 4 }),
  },
  'Legacy ERP': {
    url: 'erp/in',
    types: ['invoice.paid'],
    answer: () => ({ status: 410, body: 'This endpoint is gone.' }),
  },
}

/** What is published, by type. */
export const sampleEvents: [type: string, data: (index: number) => object][] = [
  [
    'order.created',
    (index) => ({
      order_id: `ord_${4100 + index}`,
      total: { amount: 12_900 + index * 37, currency: 'EUR' },
      items: [
        { sku: 'PR-2041', quantity: 2 },
        { sku: 'PR-0077', quantity: 1 },
      ],
      customer: { id: `cus_${810 + index}`, country: 'DE' },
    }),
  ],
  [
    'invoice.paid',
    (index) => ({ invoice_id: `in_${9000 + index}`, amount_due: 4900, currency: 'EUR', paid: true }),
  ],
  [
    'user.created',
    (index) => ({ user_id: `usr_${300 + index}`, email: `user${index}@example.com`, plan: 'team' }),
  ],
  [
    'product.updated',
    (index) => ({
      sku: `PR-${2000 + index}`,
      price: 19.9,
      in_stock: index % 3 !== 0,
      tags: ['outdoor', 'new'],
    }),
  ],
  ['subscription.renewed', (index) => ({ subscription_id: `sub_${70 + index}`, seats: 12, period: 'year' })],
  [
    'order.completed',
    (index) => ({ order_id: `ord_${4000 + index}`, shipped_at: '2026-11-24T08:12:09.000Z', carrier: 'DHL' }),
  ],
  ['product.price_changed', (index) => ({ sku: `PR-${2000 + index}`, from: 21.5, to: 19.9 })],
]

/** All of them on one port, told apart by their paths. */
export async function startReceivers(): Promise<Server> {
  const counts = new Map<string, number>()
  const server = createServer((request, response) => {
    request.resume()
    const receiver = Object.values(receivers).find(({ url }) => request.url === `/${url}`)
    const count = counts.get(request.url!) ?? 0
    counts.set(request.url!, count + 1)
    const { status, body = '', delayMs = 0, headers = {} } = receiver?.answer(count) ?? { status: 404 }
    setTimeout(() => response.writeHead(status, headers).end(body), delayMs)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}
