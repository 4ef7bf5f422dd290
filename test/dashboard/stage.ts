import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Browser, Page } from 'playwright-core'
import { linkOf } from '../../src/api/site.ts'
import { Receiver } from '../support/receiver.ts'
import { adminKey, type Running, startPostrider } from '../support/running.ts'
import { launchBrowser, visit, type Visitor } from './browser.ts'

const root = join(import.meta.dirname, '../..')

/** Built by a process of its own, as `npm start` does: at most once for the same sources. */
export async function buildDashboard(): Promise<void> {
  await promisify(execFile)(process.execPath, [join(root, 'scripts/dashboard.ts')], { cwd: root })
}

// oxlint-disable-next-line typescript/no-explicit-any -- tests say what they expect of an answer by reading it
type Json = any
type Call = (method: string, path: string, body?: object, key?: string) => Promise<Json>

/** The whole product, a browser and a receiver. */
export interface Stage extends AsyncDisposable {
  running: Running
  browser: Browser
  receiver: Receiver
  /** A call as programs make it, with the admin key unless another is given. */
  call: Call
  /** What is printed when the server starts first. */
  ownerLink: () => Promise<string>
  /** An owner, and a project in use; the same for all who ask. */
  ground: () => Promise<Ground>
  visitOwner: () => Promise<Visitor>
}

export interface Ground {
  projectId: string
  /** `/api/projects/{id}` */
  project: string
  /** The address of a page of the project. */
  page: (path?: string) => string
  call: Call
  publish: (event: object) => Promise<Json>
}

export const owner = { email: 'ada@example.com', name: 'Ada', password: 'correct horse battery staple' }

export async function openStage(): Promise<Stage> {
  await buildDashboard()
  const running = await startPostrider()
  const [browser, receiver] = await Promise.all([launchBrowser(), Receiver.start()])
  const call: Call = async (method, path, body, key = adminKey) => {
    const response = await fetch(running.url + path, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }
  const newToken = async () => (await running.postrider.invitations.createOwnerLink()).token
  let ground: Promise<Ground> | undefined
  const stage: Stage = {
    running,
    browser,
    receiver,
    call,
    ownerLink: async () => linkOf(running.url, 'setup', await newToken()),
    ground: () => (ground ??= prepare(stage, newToken)),
    async visitOwner() {
      const visitor = await visit(browser)
      const login = await visitor.context.request.post(`${running.url}/api/session`, {
        data: { email: owner.email, password: owner.password },
        headers: { origin: running.url },
      })
      if (!login.ok()) throw new Error(`logging in: ${await login.text()}`)
      return visitor
    },
    async [Symbol.asyncDispose]() {
      await browser.close()
      await receiver.close()
      await running[Symbol.asyncDispose]()
    },
  }
  return stage
}

async function prepare({ running, call, receiver }: Stage, newToken: () => Promise<string>): Promise<Ground> {
  const accepted = await fetch(`${running.url}/api/links/accept`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: running.url },
    body: JSON.stringify({ token: await newToken(), ...owner }),
  })
  if (!accepted.ok) throw new Error(`becoming the owner: ${await accepted.text()}`)
  const { id: projectId } = await call('POST', '/api/projects', { name: 'Ground' })
  const project = `/api/projects/${projectId}`
  await call('POST', `${project}/webhooks`, {
    name: 'Billing',
    url: `${receiver.url}hooks`,
    event_types: ['config.*'],
  })
  await call('POST', `${project}/applications`, { name: 'checkout' })
  const publish = (event: object) => call('POST', `${project}/events`, event)
  receiver.answer = () => ({ status: 503, body: '{"error": "closed"}' })
  const before = receiver.requests.length
  await publish({ type: 'config.deployed', data: { version: 7 } })
  await receiver.waitFor(before + 1)
  receiver.answer = () => ({ status: 204 })
  return {
    projectId,
    project,
    page: (path = '') => `${running.url}/projects/${projectId}${path}`,
    call,
    publish,
  }
}

/** Everything that the page asked for is there. */
export async function settled(page: Page): Promise<void> {
  await page.waitForFunction(
    () => document.querySelector('h1') !== null && document.querySelector('.loading, .loading-cell') === null,
  )
}

/**
 * Opens each of these pages as the owner and looks at it, in two windows that share the work: most of it is theirs. Answers
 * what went wrong unseen.
 */
export async function lookAtEach(
  stage: Stage,
  paths: readonly string[],
  look: (page: Page, path: string) => Promise<void>,
): Promise<string[]> {
  const ground = await stage.ground()
  await using one = await stage.visitOwner()
  await using other = await stage.visitOwner()
  const left = [...paths]
  await Promise.all(
    [one, other].map(async ({ page }) => {
      for (let path = left.shift(); path !== undefined; path = left.shift()) {
        await page.goto(ground.page(path))
        await settled(page)
        await look(page, path)
      }
    }),
  )
  return [...one.faults, ...other.faults]
}
