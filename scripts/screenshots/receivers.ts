import { createServer, type Server } from 'node:http'

type Answer = (count: number) => {
  status: number
  body?: string
  delayMs?: number
  headers?: Record<string, string>
}

const json = { 'content-type': 'application/json' }

interface ReceiverOfDemo {
  url: string
  types: string[]
  answer: Answer
  /** Of the webhook: what it wants beyond its types. */
  settings?: object
}

/** What each receiver answers to its nth request. */
export const receivers: Record<string, ReceiverOfDemo> = {
  Billing: {
    url: 'billing/webhooks',
    types: ['invoice.*', 'subscription.*'],
    answer: (count) => ({
      status: 200,
      body: '{"received":true}',
      headers: json,
      delayMs: 24 + (count % 7) * 9,
    }),
    settings: {
      description: 'Books what was paid. Owned by the finance team.',
      headers: { 'x-api-token': 'secret of the receiver' },
    },
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
    settings: { policy: { retry_seconds: [1, 120, 600, 3600] } },
  },
  'Large orders': {
    url: 'alerts/large-orders',
    types: ['order.created'],
    answer: () => ({ status: 200, body: 'ok', delayMs: 31 }),
    settings: {
      filter: 'event.data.total.amount > 14000 && event.environment_name == "production"',
      payload_template: {
        text: 'A large order came in',
        order: '$.data.order_id',
        total: '$.data.total',
        first_item: '$.data.items[0].sku',
      },
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
    settings: { policy: { retry_seconds: [] } },
  },
  Analytics: {
    url: 'analytics/collect',
    types: ['order.*', 'product.*', 'user.*', 'invoice.*', 'subscription.*'],
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

/** What is said of some of them. */
export const eventTypes: object[] = [
  {
    name: 'order.created',
    description: 'A customer has placed an order; it is not paid yet.',
    schema: {
      type: 'object',
      required: ['order_id', 'total', 'items'],
      properties: {
        order_id: { type: 'string', pattern: '^ord_' },
        total: {
          type: 'object',
          required: ['amount', 'currency'],
          properties: {
            amount: { type: 'integer', minimum: 0, description: 'In cents.' },
            currency: { enum: ['EUR', 'USD', 'GBP'] },
          },
        },
        items: {
          type: 'array',
          minItems: 1,
          items: {
            type: 'object',
            required: ['sku', 'quantity'],
            properties: { sku: { type: 'string' }, quantity: { type: 'integer', minimum: 1 } },
          },
        },
      },
    },
    example: {
      order_id: 'ord_4100',
      total: { amount: 12_900, currency: 'EUR' },
      items: [{ sku: 'PR-2041', quantity: 2 }],
    },
  },
  {
    name: 'invoice.paid',
    description: 'The whole amount of an invoice has arrived.',
    schema: {
      type: 'object',
      required: ['invoice_id', 'amount_due', 'currency'],
      properties: {
        invoice_id: { type: 'string' },
        amount_due: { type: 'integer' },
        currency: { type: 'string' },
        paid: { type: 'boolean' },
      },
    },
  },
  { name: 'user.created', description: 'Somebody has signed up.' },
  { name: 'product.price_changed', description: 'Use product.updated.', deprecated: true },
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
