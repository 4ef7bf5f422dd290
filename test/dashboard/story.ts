import { expect, test } from 'vitest'
import { verify } from '../../src/verify/verify.ts'
import { visit } from './browser.ts'
import { owner, type Stage } from './stage.ts'

/** What somebody does who has nothing but the link that the first start prints. */
export function storyOfAFailure(opened: () => Stage): void {
  test('with nothing but the printed link one finds why a delivery failed, repairs it and sends it again', async () => {
    const stage = opened()
    await using visitor = await visit(stage.browser)
    const { page, faults } = visitor
    const { receiver } = stage

    await page.goto(await stage.ownerLink())
    await page.getByLabel('Email').fill('mary@example.com')
    await page.getByRole('textbox', { name: 'Name' }).fill('Mary')
    await page.getByRole('textbox', { name: 'New password' }).fill(owner.password)
    await page.getByRole('button', { name: 'Come in' }).click()
    await page.getByRole('heading', { name: 'Create the first project' }).waitFor()
    await page.getByRole('textbox', { name: 'Name' }).fill('Shop')
    await page.getByRole('button', { name: 'Create project' }).click()
    await page.waitForURL(/\/projects\/[0-9a-f-]{36}$/)
    const events = `/api/projects/${page.url().slice(-36)}/events`

    await page.getByRole('link', { name: 'Webhooks' }).click()
    await page.getByRole('link', { name: 'Create webhook' }).first().click()
    await page.getByRole('textbox', { name: 'Name' }).fill('Billing')
    await page.getByRole('textbox', { name: 'URL' }).fill('example.com/hooks')
    await page.getByRole('textbox', { name: 'Event types' }).fill('config.*')
    await page.getByText('Must be a full URL').waitFor()
    await page.getByRole('textbox', { name: 'URL' }).fill(`${receiver.url}hooks`)
    await page.getByRole('button', { name: 'Send a test first' }).click()
    await page.getByText('The test arrived').waitFor()
    await page.getByRole('button', { name: 'Create webhook' }).click()
    const secret = await page.getByTestId('secret').innerText()
    expect(secret).toMatch(/^whsec_/)
    await expect.poll(() => page.evaluate(() => scrollY), { message: 'it begins at its top' }).toBe(0)
    for (const [language, telling] of [
      ['Python', 'from standardwebhooks'],
      ['Go', 'standardwebhooks.NewWebhook'],
      ['TypeScript', 'postrider/verify'],
    ] as const) {
      await page.getByText(language, { exact: true }).click()
      await page.getByRole('region', { name: 'Receiver' }).getByText(telling).waitFor()
    }

    await page.getByRole('navigation').getByRole('link', { name: 'API keys' }).click()
    await page.getByRole('button', { name: 'Create key' }).click()
    await page.getByRole('textbox', { name: 'Name' }).fill('shop backend')
    await page.getByRole('button', { name: 'Create', exact: true }).click()
    const key = await page.locator('.secret-box code').innerText()
    await page.getByRole('button', { name: 'I have it' }).click()

    await page.getByRole('link', { name: 'Live', exact: true }).click()
    await page.getByText('Connected').waitFor()
    await stage.call('POST', events, { type: 'config.deployed', data: { version: 7 } }, key)
    const line = page.getByRole('listitem').filter({ hasText: 'config.deployed' })
    await line.filter({ hasText: 'Delivered' }).waitFor()
    const received = receiver.requests.find(
      ({ headers }) => headers['postrider-event'] === 'config.deployed',
    )!
    expect(verify({ secret, headers: received.headers, body: received.rawBody })).toMatchObject({
      data: { version: 7 },
    })

    receiver.answer = ({ url }) =>
      url === '/v2/hooks' ? { status: 204 } : { status: 404, body: 'moved to /v2/hooks' }
    await stage.call('POST', events, { type: 'config.rolled_back', data: { version: 6 } }, key)
    const failing = page.getByRole('listitem').filter({ hasText: 'config.rolled_back' })
    await failing.filter({ hasText: 'Pending' }).filter({ hasText: '404' }).waitFor()
    await failing.getByRole('link', { name: 'config.rolled_back' }).click()
    await page.getByText(/^Claimed by a worker, which sent it \d+ ms later$/).waitFor()
    await page.getByText('Attempt 1').waitFor()
    await page.getByText(/^Waiting 00:0\d:\d\d for attempt 2$/).waitFor()
    await page.getByRole('region', { name: 'Response body' }).getByText('moved to /v2/hooks').waitFor()

    await page.getByRole('link', { name: 'Billing' }).click()
    await page.getByRole('tab', { name: 'Settings' }).click()
    await page.getByRole('textbox', { name: 'URL' }).fill(`${receiver.url}v2/hooks`)
    await page.getByRole('button', { name: 'Save changes' }).click()
    await page.getByText('Saved', { exact: true }).waitFor()
    await page.getByRole('tab', { name: 'Deliveries' }).click()
    await page.getByRole('link', { name: 'config.rolled_back' }).click()
    await page.getByRole('button', { name: 'Send now' }).click()
    await page.getByText('Attempt 2').waitFor()
    await page.locator('.page-title').getByText('Delivered').waitFor()
    await page.getByRole('tab', { name: 'Request' }).last().click()
    await page.getByRole('region', { name: 'Request headers' }).getByText('webhook-signature').waitFor()
    expect(faults).toEqual([])
    receiver.answer = () => ({ status: 204 })
  })
}
