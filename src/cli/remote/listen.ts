import type { PostriderApiError } from '../../client/client.ts'
import { exitCodes } from '../failure.ts'
import { connectionChanges } from './connection-changes.ts'
import { forward, type Forwarded, type ForwardedEvent, RecentEvents } from './forward.ts'
import { listenSecret } from './listen-secret.ts'
import { type Output, plain } from './output.ts'
import { readKeys, ResendKeys } from './resend-keys.ts'
import type { Session } from './session.ts'
import { untilSignal } from './until-signal.ts'

interface ListenOptions {
  forwardTo: string
  types?: string
  secret?: string
}

/** As many as a webhook usually has in flight. */
const mostInFlight = 8
/** After a cut some come again. */
const mostRemembered = 50_000

/** Forwards the events of a project to a URL that only this machine reaches, until a signal or `q`. */
export async function listen(session: Session, _args: string[], options: ListenOptions): Promise<number> {
  const { config, output } = session
  const project = await session.reachedProject()
  const { secret, file } = await listenSecret(config.dataDir, options.secret)
  const ending = untilSignal()
  const target = { url: options.forwardTo, secret, timeoutMs: config.timeoutMs }
  const recent = new RecentEvents()
  const inFlight = new Set<Promise<void>>()
  const send = (event: ForwardedEvent): Promise<void> => {
    const sending = forward(event, target)
      .then((result) => tell(output, result))
      .finally(() => inFlight.delete(sending))
    inFlight.add(sending)
    return sending
  }
  announce(output, { server: session.url, projectId: project.id, forwardTo: target.url, secret, file })
  const endKeys = output.isTerminal
    ? // While keys are read Ctrl-C is one; as the signal that it would be, the next one ends the process at once.
      offerKeys({ output, recent, send, end: () => process.emit('SIGINT', 'SIGINT') })
    : () => {}
  try {
    const seen = new Set<string>()
    const query = options.types === undefined ? {} : { types: options.types }
    const messages = project.streamEvents(query, {
      signal: ending.signal,
      onConnection: connectionChanges((state, error) => tellConnection(output, state, error)),
    })
    for await (const message of messages) {
      if (message.event === 'gap') {
        tellGap(output, message.data)
        continue
      }
      const { id, type } = message.data
      if (seen.has(id)) continue
      remember(seen, id)
      if (inFlight.size >= mostInFlight) await Promise.race(inFlight)
      void send(recent.add({ id, type, body: message.text }))
    }
  } finally {
    // Before what is in flight ends: from here on a second Ctrl-C is a signal, and ends the process at once.
    endKeys()
  }
  await Promise.all(inFlight)
  return exitCodes.done
}

function remember(seen: Set<string>, id: string): void {
  seen.add(id)
  if (seen.size <= mostRemembered) return
  const [oldest] = seen
  seen.delete(oldest!)
}

interface Announcement {
  server: string
  projectId: string
  forwardTo: string
  secret: string
  file: string | undefined
}

function announce(output: Output, { server, projectId, forwardTo, secret, file }: Announcement): void {
  if (output.isJson) {
    output.jsonLine({
      event: 'listening',
      server,
      project_id: projectId,
      forward_to: forwardTo,
      secret_file: file ?? null,
    })
    return
  }
  output.line(`Events of project ${projectId} at ${server}`)
  output.line(`are forwarded to ${output.style('bold', forwardTo)}`)
  output.line()
  // What is read by no person ends in files and logs.
  if (output.isTerminal) output.line(`Secret: ${secret}`)
  if (file !== undefined)
    output.line(`${output.isTerminal ? '       ' : 'Secret:'} kept in ${file}, the same each time`)
  output.line(
    `Verify: verify({ secret, headers, body }) of postrider/verify, or any Standard Webhooks library`,
  )
  if (output.isTerminal)
    output.line(`Keys:   r sends the last again; arrows or its number choose another; q ends`)
  output.line()
}

interface Keys {
  output: Output
  recent: RecentEvents
  send: (event: ForwardedEvent) => Promise<void>
  end: () => void
}

/** On a terminal only; answers how to give it back. */
function offerKeys({ output, recent, send, end }: Keys): () => void {
  if (!process.stdin.isTTY) return () => {}
  const keys = new ResendKeys()
  return readKeys(process.stdin, (key) => {
    const action = keys.press(key, {
      last: recent.last,
      has: (number) => recent.get(number) !== undefined,
    })
    if (action === undefined) return
    if (action.kind === 'end') end()
    else {
      const event = recent.get(action.number)!
      if (action.kind === 'resend') void send(event)
      else output.note(`#${event.number}  ${event.type}  ${event.id}: r sends it again`)
    }
  })
}

function tell(output: Output, { event, attempt, at, responseStatus, durationMs, error }: Forwarded): void {
  if (output.isJson) {
    output.jsonLine({
      event: 'forwarded',
      number: event.number,
      time: at.toISOString(),
      type: event.type,
      id: event.id,
      attempt,
      response_status: responseStatus,
      duration_ms: durationMs,
      error,
    })
    return
  }
  const isGood = responseStatus !== null && responseStatus >= 200 && responseStatus < 300
  const answer = output.style(isGood ? 'green' : 'red', String(responseStatus ?? plain(error ?? '')))
  const again = attempt > 1 ? `  again, attempt ${attempt}` : ''
  const number = output.style('dim', `#${event.number}`)
  output.line(
    `${at.toTimeString().slice(0, 8)}  ${number}  ${event.type}  ${event.id}  ${answer}  ${durationMs} ms${again}`,
  )
}

function tellConnection(output: Output, state: 'open' | 'lost', error?: PostriderApiError): void {
  if (output.isJson) output.jsonLine({ event: state === 'open' ? 'connected' : 'reconnecting' })
  else if (state === 'open') output.note('connected, waiting for events')
  else output.note(`the connection was lost, trying again${error ? `: ${error.detail}` : ''}`)
}

function tellGap(output: Output, { since }: { since: string }): void {
  if (output.isJson) output.jsonLine({ event: 'gap', since })
  else {
    output.note(
      `what was published since ${since} is left out, that is too long ago: 'postrider events list --since ${since}'`,
    )
  }
}
