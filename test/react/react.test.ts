import { createElement } from 'react'
import { renderToString } from 'react-dom/server'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DeliveryList, DeliveryStatus, PostriderProvider } from '../../src/react/index.ts'
import { browserMissing, launchBrowser, seriousFaults, visit } from '../dashboard/browser.ts'
import { Receiver } from '../support/receiver.ts'
import { startPostrider } from '../support/running.ts'
import { startBackend } from './backend.ts'

describe.skipIf(browserMissing)('the list of deliveries in a page', { timeout: 60_000 }, () => {
  const stops: (() => PromiseLike<unknown>)[] = []
  afterAll(async () => {
    for (const stop of stops.toReversed()) await stop()
  })
  let ground: Awaited<ReturnType<typeof prepare>>
  beforeAll(async () => {
    ground = await prepare()
  }, 120_000)

  async function prepare() {
    const receiver = await Receiver.start({ answer: () => ({ status: 503 }) })
    stops.push(() => receiver.close())
    const running = await startPostrider()
    stops.push(() => running[Symbol.asyncDispose]())
    const { postrider } = running
    const { id: projectId } = await postrider.projects.create({ name: 'embedded' })
    await postrider.webhooks.create(projectId, { name: 'Billing', url: receiver.url })
    const { key } = await postrider.apiKeys.create(projectId, { name: 'backend', role: 'manage' })
    const backend = await startBackend({ api: running.url, key })
    stops.push(() => backend.stop())
    const browser = await launchBrowser()
    stops.push(() => browser.close())
    const publish = (type: string) => postrider.publish({ projectId, type, data: { text: 'Zoë' } })
    return { receiver, backend, browser, publish, page: `${backend.url}/?project=${projectId}` }
  }

  it('shows what happens, sends again, and is there for all', async () => {
    const { receiver, backend, browser, publish, page: url } = ground
    await using visitor = await visit(browser)
    const { page, faults } = visitor
    await page.goto(url)
    await page.getByText('There are no deliveries.').waitFor()

    // Something comes in while the page is open.
    await publish('order.paid')
    await receiver.waitFor(1)
    const row = page.getByRole('row', { name: /^\w+ order\.paid / })
    await row.getByText('503').waitFor()
    await row.getByText('Pending').waitFor()
    await row.getByText('Billing').waitFor()
    await row.getByText('1 of 6').waitFor()

    await row.getByRole('button', { name: 'order.paid', exact: true }).click()
    await page.getByText(/Will be tried again: 503 after \d+ ms/).waitFor()
    await page.getByLabel('What is sent').filter({ hasText: '"Zoë"' }).waitFor()
    expect(await seriousFaults(page)).toEqual([])

    receiver.answer = () => ({ status: 204 })
    await row.getByRole('button', { name: /^Send again: order\.paid / }).click()
    await row.getByText('Delivered').waitFor()
    expect(await page.getByRole('status').first().textContent()).toBe('order.paid is sent again.')

    for (const type of ['order.shipped', 'order.lost']) await publish(type)
    await page.getByRole('button', { name: 'order.lost', exact: true }).waitFor()
    expect(await row.count()).toBe(0)
    await page.getByRole('button', { name: 'Show more' }).click()
    await row.first().waitFor()

    await page.emulateMedia({ colorScheme: 'dark' })
    expect(await seriousFaults(page)).toEqual([])
    expect(faults).toEqual([])
    expect(backend.seen.length).toBeGreaterThan(3)
    expect(backend.seen.filter(({ headers }) => 'authorization' in headers)).toEqual([])
  })

  it('says what went wrong, and goes on when it is over', async () => {
    const { browser, page: url } = ground
    await using visitor = await visit(browser)
    const { page } = visitor
    const problem = { title: 'No', status: 403, code: 'forbidden', detail: 'Your plan has no webhooks.' }
    await page.route('**/api/postrider/**', (route) =>
      route.fulfill({
        status: 403,
        contentType: 'application/problem+json',
        body: JSON.stringify(problem),
      }),
    )
    await page.goto(url)
    await page.getByRole('alert').getByText('Your plan has no webhooks.').waitFor()
    await page.unroute('**/api/postrider/**')
    await page.getByRole('table').waitFor()
    expect(await page.getByRole('alert').count()).toBe(0)
  })
})

describe('on a server', () => {
  it('renders what is known there: that it loads', () => {
    const list = createElement(DeliveryList, { label: 'My deliveries' })
    const provider = { baseUrl: '/api/postrider', projectId: '1' }
    const html = renderToString(createElement(PostriderProvider, provider, list))
    expect(html).toContain('aria-label="My deliveries"')
    expect(html).toContain('Loading deliveries…')
  })

  it('shows a state as icon and word', () => {
    expect(renderToString(createElement(DeliveryStatus, { status: 'failed' }))).toMatch(
      /aria-hidden="true".*<\/svg>Failed/,
    )
  })

  it('says what is missing without a provider', () => {
    expect(() => renderToString(createElement(DeliveryList))).toThrow('Put a <PostriderProvider> around')
  })
})
