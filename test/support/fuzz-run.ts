import { Agent, request as httpRequest } from 'node:http'
import { gzipSync } from 'node:zlib'
import { randomUUID } from 'node:crypto'
import { type Answer, checkAnyAnswer } from './fuzz-check.ts'
import type { Ground } from './fuzz-ground.ts'
import type { Body, Document, Key, Step } from './fuzz-steps.ts'
import { countRows } from './rows.ts'

/** Makes requests one after the other, remembers what they made for those that come later, and checks each answer. */
export class Player {
  readonly #ground: Ground
  readonly #kinds: Kinds
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  readonly #foreignKey: string
  /** How often each operation was answered with each status. */
  readonly statuses = new Map<string, Map<number, number>>()
  requests = 0
  #rows: Record<string, number> = {}

  private constructor(ground: Ground, document: Document, foreignKey: string) {
    this.#ground = ground
    this.#kinds = kindsOf(document)
    this.#foreignKey = foreignKey
  }

  static async start(ground: Ground, document: Document): Promise<Player> {
    const project = await ground.postrider.projects.create({ name: 'foreign' })
    const { key } = await ground.postrider.apiKeys.create(project.id, { name: 'foreign', role: 'manage' })
    return new Player(ground, document, key)
  }

  /** Plays a script in a project of its own. */
  async play(steps: readonly Step[]): Promise<void> {
    const known = await this.#begin()
    this.#rows = await this.#countRows()
    for (const step of steps) {
      const answer = await this.#ask(step, known).catch((error: unknown) => {
        throw new Error(`${inWords(step, known)}\n${String(error)}`, { cause: error })
      })
      if (answer.status < 300) this.#remember(step, answer, known)
    }
    if ((await this.#send({ ...alive, path: '/healthz' }, known)).status !== 200)
      throw new Error('it is not alive')
  }

  close(): void {
    this.#agent.destroy()
  }

  /** A project with one of each thing, so that calls have something to be about from the first one on. */
  async #begin(): Promise<Known> {
    const { postrider, receiverUrl } = this.#ground
    const { id: projectId } = await postrider.projects.create({ name: 'fuzz' })
    const keyOf = (role: 'manage' | 'publish' | 'view') =>
      postrider.apiKeys.create(projectId, { name: role, role })
    const [manage, publish, view] = [await keyOf('manage'), await keyOf('publish'), await keyOf('view')]
    const application = await postrider.applications.create(projectId, { name: 'fuzz' })
    const webhook = await postrider.webhooks.create(projectId, { name: 'fuzz', url: `${receiverUrl}/500` })
    const event = await postrider.publish({ projectId, type: 'a', data: 1 })
    const { rows } = await postrider.deliveries.list(projectId)
    return {
      keys: { manage: manage.key, publish: publish.key, view: view.key },
      ids: {
        project_id: [projectId],
        api_key_id: [(await keyOf('view')).id],
        application_id: [application.id],
        webhook_id: [webhook.id],
        event_id: [event.id],
        delivery_id: rows.map(({ id }) => id),
        receiver: [receiverUrl],
      },
    }
  }

  async #ask(step: Step, known: Known): Promise<Answer> {
    const answer = await this.#send(step, known)
    this.requests += 1
    const counts = this.statuses.get(step.operationId) ?? new Map<number, number>()
    this.statuses.set(step.operationId, counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1))
    const path = fill(step.path, known)
    checkAnyAnswer({ method: step.method, path, sent: path + (step.body?.text ?? '') }, answer)
    if (step.method !== 'GET') await this.#checkRows(answer)
    return answer
  }

  /** What is refused leaves nothing, in tables of which the worker, which is at work meanwhile, adds to none. */
  async #checkRows({ status }: Answer): Promise<void> {
    const before = this.#rows
    this.#rows = await this.#countRows()
    if (status < 400) return
    for (const [table, count] of Object.entries(before)) {
      if (this.#rows[table] !== count)
        throw new Error(`${status}, and ${table} has ${this.#rows[table]} rows after ${count}`)
    }
  }

  async #countRows(): Promise<Record<string, number>> {
    const all = Object.entries(await countRows(this.#ground.database))
    return Object.fromEntries(
      all.filter(
        ([table]) => !/queue|schedule|line|worker|attempt|upkeep|rate|audit|statistics|failed/.test(table),
      ),
    )
  }

  #send(step: Step, known: Known): Promise<Answer> {
    const body = step.body && bytesOf(step.body, known)
    const key = this.#keyOf(step.key, known)
    return new Promise((resolve, reject) => {
      const request = httpRequest(this.#ground.url, {
        agent: this.#agent,
        method: step.method,
        path: fill(step.path, known),
        headers: {
          ...(key !== undefined && { authorization: `Bearer ${key}` }),
          ...step.headers,
          ...(body &&
            (step.body!.isChunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': body.length })),
        },
      })
      request.on('error', reject)
      request.on('response', (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        const finish = (): void => {
          const text = Buffer.concat(chunks).toString()
          const headers = new Headers(
            Object.entries(response.headersDistinct).map(([name, values = []]) => [name, values.join(', ')]),
          )
          const isJson = text !== '' && /json/.test(headers.get('content-type') ?? '')
          resolve({
            status: response.statusCode!,
            headers,
            text,
            body: isJson ? JSON.parse(text) : undefined,
          })
        }
        response.on('end', finish)
        // A stream would not end by itself.
        if (response.headers['content-type'] === 'text/event-stream') {
          finish()
          response.destroy()
        }
      })
      if (step.body?.isChunked) request.write(body!.subarray(0, 10))
      request.end(step.body?.isChunked ? body!.subarray(10) : body)
    })
  }

  #keyOf(key: Key, { keys }: Known): string | undefined {
    switch (key) {
      case 'none':
        return undefined
      case 'wrong':
        return 'prk_wrong'
      case 'foreign':
        return this.#foreignKey
      case 'admin':
        return this.#ground.adminKey
      default:
        return keys[key]
    }
  }

  #remember(step: Step, { body }: Answer, { ids }: Known): void {
    if (typeof body !== 'object' || body === null) return
    const made = this.#kinds.ofCreator[step.operationId]
    if (made && 'id' in body) (ids[made] ??= []).push(String(body.id))
    if ('next_cursor' in body && typeof body.next_cursor === 'string')
      (ids['cursor'] ??= []).push(body.next_cursor)
    for (const [plural, members] of Object.entries(body)) {
      const kind = this.#kinds.ofPlural[plural]
      // Projects of other scripts would lead out of this one.
      if (!kind || kind === 'project_id' || !Array.isArray(members)) continue
      const listed = members.map((member: Record<string, unknown>) => member[kind] ?? member['id'])
      const told = listed.filter((id) => typeof id === 'string')
      if (told.length > 0) ids[kind] = [...new Set([...(ids[kind] ?? []), ...told])]
    }
  }
}

/** What a script has made so far. */
interface Known {
  keys: Record<'manage' | 'publish' | 'view', string>
  ids: Record<string, string[]>
}

interface Kinds {
  ofCreator: Record<string, string>
  ofPlural: Record<string, string>
}

/** What a path with one more id behind it names: a call on the path itself makes such things, or lists them. */
function kindsOf({ paths }: Document): Kinds {
  const kinds: Kinds = { ofCreator: {}, ofPlural: {} }
  for (const path of Object.keys(paths)) {
    const [, parent, plural, kind] = /^(.*\/([\w-]+))\/\{(\w+)\}$/.exec(path) ?? []
    if (kind === undefined) continue
    kinds.ofPlural[plural!.replaceAll('-', '_')] = kind
    const creator = paths[parent!]?.['post']?.operationId
    if (creator !== undefined) kinds.ofCreator[creator] = kind
  }
  return kinds
}

const alive: Step = { operationId: 'health', method: 'GET', path: '', key: 'none', headers: {} }
const unknownId = randomUUID()

function fill(text: string, { ids }: Known): string {
  return text.replaceAll(
    /\{\{(\w+):(\d+)(:upper)?\}\}/g,
    (_token, kind: string, place: string, upper?: string) => {
      const all = ids[kind] ?? [unknownId]
      const id = all[Number(place) % all.length]!
      return upper === undefined ? id : id.toUpperCase()
    },
  )
}

function bytesOf({ text, damage }: Body, known: Known): Buffer {
  const bytes = Buffer.from(fill(text, known))
  if (damage === undefined) return bytes
  if ('at' in damage) {
    const at = damage.at % (bytes.length + 1)
    const rest = damage.kind === 'cut' ? [] : [Buffer.from([0xff]), bytes.subarray(at)]
    return Buffer.concat([bytes.subarray(0, at), ...rest])
  }
  if (damage.kind === 'gzip') return gzipSync(bytes)
  return Buffer.concat([damage.kind === 'double' ? bytes : Buffer.from([0xef, 0xbb, 0xbf]), bytes])
}

function inWords(step: Step, known: Known): string {
  const { method, path, key, headers, body } = step
  const damage = body?.damage ? ` (${JSON.stringify(body.damage)})` : ''
  return `${method} ${fill(path, known)} as ${key} ${JSON.stringify(headers)}${damage}\n${fill(body?.text ?? '', known).slice(0, 2_000)}`
}
