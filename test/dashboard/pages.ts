import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { seriousFaults } from './browser.ts'
import { lookAtEach, type Stage } from './stage.ts'

/** Every page by itself: for screen readers, in the dark, on a phone. */
export function everyPage(opened: () => Stage): void {
  test('axe finds no serious fault on any page, light or dark, and none is wider than 390 px', async () => {
    const stage = opened()
    const ground = await stage.ground()
    const { webhooks } = await ground.call('GET', `${ground.project}/webhooks`)
    const { deliveries } = await ground.call('GET', `${ground.project}/deliveries`)
    const { events } = await ground.call('GET', `${ground.project}/events`)
    const webhook = `/webhooks/${webhooks.at(-1).id}`
    const paths = [
      '',
      '/deliveries',
      `/deliveries/${deliveries.at(-1).id}`,
      '/live',
      '/webhooks',
      '/webhooks/new',
      webhook,
      `${webhook}/deliveries`,
      `${webhook}/filtered`,
      `${webhook}/send`,
      `${webhook}/settings`,
      `${webhook}/secret`,
      '/events',
      `/events/${events.at(-1).id}`,
      '/event-types',
      '/event-types/config.deployed',
      '/applications',
      '/keys',
      '/people',
      '/users',
      '/account',
      '/audit',
      '/settings',
    ]
    expect(await lookAtEach(stage, paths, check)).toEqual([])
  })
}

async function check(page: Page, path: string): Promise<void> {
  expect(await seriousFaults(page), `of ${path}`).toEqual([])
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.locator('html[data-mantine-color-scheme=dark]').waitFor()
  expect(await seriousFaults(page, ['color-contrast']), `${path} in the dark`).toEqual([])
  await page.setViewportSize({ width: 390, height: 844 })
  await expect.poll(() => overflow(page), { message: `${path} on a narrow screen` }).toBe(0)
  await page.setViewportSize({ width: 1280, height: 900 })
  await page.emulateMedia({ colorScheme: 'light' })
}

function overflow(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
}
