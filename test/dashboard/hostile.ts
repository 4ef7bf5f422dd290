import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { hostileTexts } from './hostile-texts.ts'
import { lookAtEach, type Stage } from './stage.ts'

export function hostileContent(opened: () => Stage): void {
  test('what strangers store is shown as text and runs nowhere', async () => {
    const stage = opened()
    const ground = await stage.ground()
    await using visitor = await stage.visitOwner()
    const { page, faults } = visitor
    const hostile = hostileTexts.join(' ')
    stage.receiver.answer = () => ({
      status: 500,
      headers: { 'content-type': 'text/html', 'x-hostile': hostileTexts[0]! },
      body: hostile,
    })
    for (const [index, text] of hostileTexts.entries()) {
      const name = text.replaceAll(/[^\x20-\x7e]/g, '?')
      await ground.call('POST', `${ground.project}/applications`, { name })
      await ground.call('POST', `${ground.project}/api-keys`, { name, role: 'view' })
      await ground.call('POST', `${ground.project}/webhooks`, {
        name,
        url: `${stage.receiver.url}?${index}=${encodeURIComponent(text)}`,
        description: text,
        environment_name: name,
        event_types: ['hostile.*'],
      })
    }
    const shaped = await ground.call('POST', `${ground.project}/webhooks`, {
      name: 'Shaped',
      url: `${stage.receiver.url}shaped`,
      event_types: ['hostile.*'],
      filter: `event.data.text == ${JSON.stringify(hostileTexts[0])}`,
      payload_template: { [hostileTexts[1]!]: '$.data' },
    })
    await page.goto(ground.page('/live'))
    await page.getByText('Connected').waitFor()
    for (const text of hostileTexts) {
      const environment_name = text.replaceAll(/[^\x20-\x7e]/g, '?')
      await ground.publish({
        type: 'hostile.sent',
        environment_name,
        data: { text, [text]: { [text]: [text] } },
      })
    }
    await page
      .getByRole('listitem')
      .filter({ hasText: '500' })
      .nth(hostileTexts.length - 1)
      .waitFor()
    expect(await strangers(page)).toEqual([])
    const { deliveries } = await ground.call('GET', `${ground.project}/deliveries?event_type=hostile.sent`)
    const { webhooks } = await ground.call('GET', `${ground.project}/webhooks`)
    const paths = [
      '',
      '/deliveries',
      `/deliveries/${deliveries[0].id}`,
      '/webhooks',
      '/webhooks/new',
      `/webhooks/${webhooks[0].id}`,
      `/webhooks/${webhooks[0].id}/settings`,
      `/webhooks/${shaped.id}`,
      `/webhooks/${shaped.id}/filtered`,
      `/webhooks/${shaped.id}/settings`,
      '/events',
      `/events/${deliveries[0].event_id}`,
      '/event-types/hostile.sent',
      '/applications',
      '/keys',
      '/audit',
      '/settings',
      `/event-types/${encodeURIComponent(hostileTexts[0]!)}`,
      `/deliveries?type=${encodeURIComponent(hostileTexts[1]!)}&webhook=${encodeURIComponent(hostileTexts[3]!)}`,
    ]
    const seen = await lookAtEach(stage, paths, async (shown, path) =>
      expect(await strangers(shown), `of ${path}`).toEqual([]),
    )
    expect(seen).toEqual([])
    await page.goto(ground.page(`/deliveries/${deliveries[0].id}`))
    await page.getByRole('region', { name: 'Response body' }).getByText('<script>alert').waitFor()
    await page
      .getByRole('region', { name: 'Response body' })
      .getByText(String.raw`\u202e`)
      .waitFor()
    await page.getByRole('region', { name: 'Response headers' }).getByText('<script>alert').waitFor()
    await page.getByRole('tab', { name: 'Request' }).click()
    await page.getByText('Text', { exact: true }).click()
    expect(await strangers(page)).toEqual([])
    await page.keyboard.press('Control+k')
    await page.getByRole('combobox', { name: 'Find' }).fill('<script')
    await page.getByRole('option').filter({ hasText: '<script>alert' }).first().waitFor()
    expect(await strangers(page)).toEqual([])
    expect(faults).toEqual([])
  })
}

/** Elements and links that none of ours made. */
function strangers(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    Array.from(
      document.querySelectorAll(
        'script:not([src*="/assets/"]), iframe, object, embed, img, style, form[action], [href^="javascript:" i], [onerror], [onload]',
      ),
      (element) => element.outerHTML.slice(0, 200),
    ),
  )
}
