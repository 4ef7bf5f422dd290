import { EventType, Uuid } from './text.ts'

/** The other side of the document, its `webhooks` (OpenAPI 3.1, 4.8.1.1): what a receiver gets, and what its answers do. */

const headers = {
  'webhook-id': {
    description: 'The id of the event, the same for each attempt: the idempotency key of the receiver.',
    schema: Uuid,
  },
  'webhook-timestamp': {
    description: 'When this attempt was made, in seconds since 1970.',
    schema: { type: 'integer', minimum: 0 },
  },
  'webhook-signature': {
    description:
      'Standard Webhooks 1.0 over `webhook-id.webhook-timestamp.body`, one for each secret that is valid, separated by spaces: `v1,` and the base64 of an HMAC-SHA256, or `v1a,` and that of an Ed25519 signature.',
    schema: { type: 'string', pattern: '^v1a?,[A-Za-z0-9+/=]+( v1a?,[A-Za-z0-9+/=]+)*$' },
  },
  'postrider-event': { description: 'The type of the event.', schema: EventType },
  'postrider-delivery': { description: 'The id of the delivery.', schema: Uuid },
  'postrider-attempt': {
    description: 'The number of the attempt, from 1.',
    schema: { type: 'integer', minimum: 1 },
  },
  'user-agent': {
    description: '`Postrider/` and its version. The headers of the webhook itself come to these.',
    schema: { type: 'string', pattern: '^Postrider/' },
  },
  traceparent: {
    description:
      'Of W3C Trace Context, where the event was published within a trace or the sender makes spans: what is done here belongs to that trace.',
    schema: { type: 'string', pattern: '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$' },
  },
}

const retryAfter = {
  'retry-after': {
    description: 'Seconds, or a date; at most 24 hours on.',
    schema: { type: 'string' },
  },
}

/** @param body the schema of what is sent */
export function receivedEvent(body: object) {
  return {
    post: {
      operationId: 'receiveEvent',
      summary: 'Receive an event',
      description:
        'What Postrider sends to the URL of a webhook, for each event that matches. The bytes of the body are what is signed, and the same for each attempt. Verify the signature before anything else, and expect the same event more than once.',
      security: [],
      parameters: Object.entries(headers).map(([name, header]) => ({
        name,
        in: 'header',
        required: name !== 'traceparent',
        ...header,
      })),
      requestBody: { required: true, content: { 'application/json': { schema: body } } },
      responses: {
        '2XX': { description: 'Delivered.' },
        '410': {
          description: 'Failed for good, and the webhook becomes inactive with `disabled_reason: "gone"`.',
        },
        '429': {
          description: 'Tried again at the later of this time and the schedule of the webhook.',
          headers: retryAfter,
        },
        '503': { description: 'As 429.', headers: retryAfter },
        default: {
          description:
            'Anything else, redirects too, an error of the network, or no answer before the deadline: tried again by the schedule of the webhook, until that ends and the delivery is `failed`.',
        },
      },
    },
  }
}

/** @param body the schema of what is sent */
export function receivedOperationalEvent(body: object) {
  const { post } = receivedEvent(body)
  return {
    post: {
      ...post,
      operationId: 'receiveOperationalEvent',
      summary: 'Receive an operational event',
      description:
        'What Postrider tells of itself, to webhooks that are `operational`: signed, sent and tried again as any other event. Expect types that are not here yet.',
    },
  }
}
