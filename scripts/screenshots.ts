/**
 * Pictures of every page of the dashboard, light and dark, from a seeded demo into docs/screenshots. It takes about a
 * minute; look at each of them before they are committed.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { launchBrowser, visit } from '../test/dashboard/browser.ts'
import { buildDashboard } from './dashboard.ts'
import { startDemo } from './screenshots/demo.ts'
import { sampleEvents } from './screenshots/receivers.ts'
import { caller, seed, type Seeded } from './screenshots/seed.ts'
import { shrink } from './screenshots/shrink.ts'

const target = join(import.meta.dirname, '../docs/screenshots')
const owner = { name: 'Ada Lovelace', email: 'ada@example.com', password: 'correct horse battery staple' }

/** Those whose length tells nothing. */
const cutOff = new Set(['deliveries', 'deliveries-selected', 'events', 'finder', 'audit'])

await buildDashboard()
await mkdir(target, { recursive: true })
const demo = await startDemo()
try {
  const seeded = await seed(demo)
  try {
    await takeAll(seeded)
  } finally {
    await seeded.close()
  }
} finally {
  await demo.stop()
}

async function takeAll(seeded: Seeded): Promise<void> {
  const browser = await launchBrowser()
  try {
    const token = await demo.ownerToken()
    for (const colorScheme of ['light', 'dark'] as const) {
      await using visitor = await visit(browser, { colorScheme, viewport: { width: 1280, height: 800 } })
      const { page, faults } = visitor
      const take = async (name: string): Promise<void> => {
        await quiet(page)
        const picture = await page.screenshot({ fullPage: !cutOff.has(name) })
        await writeFile(join(target, `${name}-${colorScheme}.png`), shrink(picture))
      }
      await page.goto(`${demo.url}/login`)
      await take('login')
      if (colorScheme === 'light') await becomeOwner(page, token)
      else await logIn(page)
      for (const [name, path] of Object.entries(pagesOf(seeded))) {
        await page.goto(`${demo.url}/projects/${seeded.projectId}${path}`)
        if (name === 'live') await publishSome(page, seeded)
        if (name === 'deliveries-selected') await select(page)
        if (name === 'webhook-settings') await page.locator('.preview .badge').waitFor()
        await take(name)
      }
      await page.goto(`${demo.url}/projects/${seeded.projectId}`)
      await quiet(page)
      await page.keyboard.press('Control+k')
      await page.getByRole('combobox', { name: 'Find' }).fill('war')
      await page.getByRole('option', { name: 'Warehouse' }).waitFor()
      await take('finder')
      if (faults.length > 0) throw new Error(faults.join('\n'))
    }
  } finally {
    await browser.close()
  }
}

function pagesOf(seeded: Seeded): Record<string, string> {
  const { webhooks, waiting, recovered, eventId, keptBackId, unmatchedId } = seeded
  return {
    overview: '',
    deliveries: '/deliveries',
    'deliveries-selected': '/deliveries?status=failed',
    'delivery-waiting': `/deliveries/${waiting}`,
    'delivery-delivered': `/deliveries/${recovered}`,
    live: '/live',
    webhooks: '/webhooks',
    'webhook-create': '/webhooks/new',
    webhook: `/webhooks/${webhooks['Warehouse']}`,
    'webhook-kept-back': `/webhooks/${webhooks['Large orders']}/filtered`,
    'webhook-send': `/webhooks/${webhooks['Warehouse']}/send`,
    'webhook-settings': `/webhooks/${webhooks['Large orders']}/settings`,
    'webhook-secret': `/webhooks/${webhooks['Search index']}/secret`,
    events: '/events',
    event: `/events/${eventId}`,
    'event-kept-back': `/events/${keptBackId}`,
    'event-nothing-sent': `/events/${unmatchedId}`,
    'event-types': '/event-types',
    'event-type': '/event-types/order.created',
    applications: '/applications',
    keys: '/keys',
    people: '/people',
    users: '/users',
    account: '/account',
    audit: '/audit',
  }
}

async function becomeOwner(page: Page, token: string): Promise<void> {
  await page.goto(`${demo.url}/setup#token=${token}`)
  await page.getByLabel('Email').fill(owner.email)
  await page.getByRole('textbox', { name: 'Name' }).fill(owner.name)
  await page.getByRole('textbox', { name: 'New password' }).fill(owner.password)
  await page.getByRole('button', { name: 'Come in' }).click()
  await page.waitForURL(/\/projects\//)
}

async function logIn(page: Page): Promise<void> {
  await page.getByLabel('Email').fill(owner.email)
  await page.getByRole('textbox', { name: 'Password' }).fill(owner.password)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.waitForURL(/\/projects\//)
}

async function select(page: Page): Promise<void> {
  for (const row of [1, 2, 4]) await page.getByRole('row').nth(row).getByRole('checkbox').check()
  await page.getByText('3 deliveries selected').waitFor()
}

async function publishSome(page: Page, { projectId }: Seeded): Promise<void> {
  await page.getByText('Connected').waitFor()
  const call = caller(demo.url, demo.adminKey)
  for (const [type, data] of sampleEvents.slice(0, 6)) {
    await call('POST', `/api/projects/${projectId}/events`, { type, data: data(99) })
  }
  await page.getByRole('listitem').filter({ hasText: 'Delivered' }).nth(6).waitFor()
}

/** Everything that was asked for is there, and nothing moves. */
async function quiet(page: Page): Promise<void> {
  await page.waitForFunction(
    () => document.querySelector('h1') !== null && document.querySelector('.loading, .loading-cell') === null,
  )
  await page.evaluate(() => document.fonts.ready)
  await page.evaluate(() => Promise.all(document.getAnimations().map((animation) => animation.finished)))
}
