import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Behaviour, FromReceiver, ReceivedRequest, ToReceiver } from './receiver.ts'

/** The receiver's own process, told what to do by its parent: see `receiver.ts`. */

const requests: ReceivedRequest[] = []
/** A reset also takes an answer with it that is not read yet. */
const readWithinMs = 250
const unanswered = new WeakMap<Socket, ReceivedRequest>()
const usedConnections = new WeakSet<Socket>()
let behaviour: Behaviour = { delayMs: 0, refuseFirstEvery: 0, resetReusedEvery: 0, resetIdleEvery: 0 }
let firstAttempts = 0
let reuses = 0
let answers = 0
let waiting: { count: number; id: number }[] = []

const server = createServer(receive)
// Who closes a connection, and when, is the scenario's to say.
server.keepAliveTimeout = 120_000
server.listen(0, '127.0.0.1', () => tell({ listening: (server.address() as AddressInfo).port }))

process.on('message', (message: ToReceiver) => {
  if ('behave' in message) behaviour = message.behave
  if ('until' in message) waiting.push({ count: message.until, id: message.id })
  if ('dump' in message) tell({ id: message.id, requests })
  announce()
})
process.on('disconnect', () => process.exit())

function receive(incoming: IncomingMessage, response: ServerResponse): void {
  const { headers, socket } = incoming
  const request: ReceivedRequest = {
    eventId: String(headers['webhook-id']),
    deliveryId: String(headers['postrider-delivery']),
    attempt: Number(headers['postrider-attempt']),
    signedMs: Number(headers['webhook-timestamp']) * 1_000,
    receivedMs: Date.now(),
    answer: answerTo(Number(headers['postrider-attempt']), socket),
  }
  requests.push(request)
  unanswered.set(socket, request)
  announce()
  incoming.resume()
  incoming.on('error', () => {})
  response.on('error', () => {})
  if (request.answer === 'reset') {
    socket.resetAndDestroy()
    return
  }
  const status = request.answer
  setTimeout(() => response.writeHead(status).end(), behaviour.delayMs)
  answers += 1
  const isReset = isTurn(answers, behaviour.resetIdleEvery)
  response.on('finish', () => {
    unanswered.delete(socket)
    if (isReset) setTimeout(() => reset(socket), readWithinMs)
  })
}

/** What has come on the connection meanwhile has no answer. */
function reset(socket: Socket): void {
  const request = unanswered.get(socket)
  if (request) request.answer = 'reset'
  socket.resetAndDestroy()
}

function answerTo(attempt: number, socket: Socket): number | 'reset' {
  const isReused = usedConnections.has(socket)
  usedConnections.add(socket)
  if (isReused && isTurn((reuses += 1), behaviour.resetReusedEvery)) return 'reset'
  if (attempt === 1 && isTurn((firstAttempts += 1), behaviour.refuseFirstEvery)) return 500
  return 204
}

function isTurn(count: number, every: number): boolean {
  return every > 0 && count % every === 0
}

function announce(): void {
  const reached = waiting.filter(({ count }) => requests.length >= count)
  waiting = waiting.filter(({ count }) => requests.length < count)
  for (const { id } of reached) tell({ id })
}

function tell(message: FromReceiver): void {
  process.send?.(message)
}
