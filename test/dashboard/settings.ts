import { expect, test } from 'vitest'
import { seriousFaults } from './browser.ts'
import type { Stage } from './stage.ts'

/** What is set at one webhook: its secret, its filter, its payload. */
export function ownSettings(opened: () => Stage): void {
  test('two secrets sign while the one before counts down, also for whoever comes later', async () => {
    const stage = opened()
    const ground = await stage.ground()
    await using visitor = await stage.visitOwner()
    const { page, faults } = visitor
    const { id } = await ground.call('POST', `${ground.project}/webhooks`, {
      name: 'Rotated',
      url: `${stage.receiver.url}rotated`,
      event_types: ['rotated.*'],
    })
    await page.goto(ground.page(`/webhooks/${id}/secret`))
    await page.getByRole('button', { name: 'Make a new secret' }).click()
    expect(await page.getByTestId('secret').innerText()).toMatch(/^whsec_/)
    await page.reload()
    await page.getByText('Two secrets sign').waitFor()
    await page.getByText(/^(1 d 00:00:00|23:\d\d:\d\d)$/).waitFor()
    expect(await page.getByTestId('secret').count()).toBe(0)
    const choice = page.getByRole('combobox', { name: 'The secret of now' })
    expect(await choice.getByRole('option').allInnerTexts()).toEqual(['ends at once'])
    await page.getByRole('button', { name: 'Make a new secret' }).click()
    await page.getByTestId('secret').waitFor()
    await page.getByText('Two secrets sign').waitFor({ state: 'detached' })
    expect(faults).toEqual([])
  })

  test('a filter is tried before it is saved, and tells at the event and the webhook what it kept back', async () => {
    const stage = opened()
    const ground = await stage.ground()
    await using visitor = await stage.visitOwner()
    const { page, faults } = visitor
    const { id } = await ground.call('POST', `${ground.project}/webhooks`, {
      name: 'Large orders',
      url: `${stage.receiver.url}large`,
      event_types: ['order.*'],
    })
    await page.goto(ground.page(`/webhooks/${id}/settings`))
    const filter = page.getByRole('textbox', { name: 'Filter' })
    await filter.fill('event.data.amount >')
    await page.getByText(/line 1, column \d+/).waitFor()
    await filter.fill('event.data.amount > 100')
    await page.getByText('Would be sent').waitFor()
    await page
      .getByRole('textbox', { name: 'The event' })
      .fill('{"type": "order.paid", "data": {"amount": 7}}')
    await page.getByText('Would be kept back').waitFor()
    await page.getByRole('button', { name: 'Slack' }).click()
    await page
      .getByRole('textbox', { name: 'Payload template' })
      .fill('{"text": "$.type", "sum": "$.data.amount"}')
    await page.getByRole('region', { name: 'Request body' }).getByText('"sum": 7').waitFor()
    expect(await seriousFaults(page)).toEqual([])
    await page.getByRole('button', { name: 'Save changes' }).click()
    await page.getByText('Saved', { exact: true }).waitFor()

    stage.receiver.answer = () => ({ status: 204 })
    const { id: eventId } = await ground.publish({ type: 'order.paid', data: { amount: 7 } })
    await page.goto(ground.page('/events'))
    await page.getByRole('button', { name: 'Publish event' }).click()
    // The page behind it has a field of the same name.
    const form = page.getByRole('dialog')
    await form.getByRole('textbox', { name: 'Event type' }).fill('order.paid')
    await form.getByRole('textbox', { name: 'Data' }).fill('{"amount": 700')
    await form.getByRole('button', { name: 'Publish', exact: true }).click()
    await form.getByText('This is no JSON').waitFor()
    await form.getByRole('textbox', { name: 'Data' }).fill('{"amount": 700}')
    await form.getByRole('button', { name: 'Publish', exact: true }).click()
    await page.getByText('Published to 1 webhook').waitFor()
    await page.goto(ground.page(`/events/${eventId}`))
    await page.getByText('Kept back by 1 filter').waitFor()
    await page.getByRole('region', { name: 'Kept back' }).getByRole('link', { name: 'Large orders' }).click()
    await page.getByRole('tab', { name: 'Kept back' }).click()
    const kept = page.getByRole('row').filter({ hasText: 'the filter does not match' })
    await kept.filter({ hasText: 'event.data.amount > 100' }).waitFor()
    await page.getByRole('tab', { name: 'Deliveries' }).click()
    await page.getByRole('link', { name: 'order.paid' }).click()
    await page.getByRole('tab', { name: 'Request' }).click()
    await page.getByRole('region', { name: 'Request body' }).getByText('"sum": 700').waitFor()
    expect(faults).toEqual([])
  })
}
