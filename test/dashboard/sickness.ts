import { expect, test } from 'vitest'
import { Database } from '../../src/database/database.ts'
import { seriousFaults } from './browser.ts'
import type { Stage } from './stage.ts'

/** What is told of an endpoint that is sick, and who is told. */
export function sickEndpoints(opened: () => Stage): void {
  test('an endpoint that is down and fails for days is marked in the list and at its webhook', async () => {
    const stage = opened()
    const ground = await stage.ground()
    await using visitor = await stage.visitOwner()
    const { page, faults } = visitor
    const { id } = await ground.call('POST', `${ground.project}/webhooks`, {
      name: 'Sick',
      url: `${stage.receiver.url}sick`,
      event_types: ['sick.*'],
    })
    await makeSick(stage.running.connectionString, id)

    await page.goto(ground.page('/webhooks'))
    await page.getByRole('row').filter({ hasText: 'Sick' }).getByText('Endpoint down').waitFor()
    await page.getByRole('link', { name: 'Sick' }).click()
    const notice = page.getByRole('status').filter({ hasText: 'The endpoint is down' })
    await notice.getByText('Every attempt has failed since').waitFor()
    await notice.getByText('this webhook becomes inactive at').waitFor()
    expect(await seriousFaults(page)).toEqual([])
    await page.emulateMedia({ colorScheme: 'dark' })
    await page.locator('html[data-mantine-color-scheme=dark]').waitFor()
    expect(await seriousFaults(page, ['color-contrast'])).toEqual([])
    expect(faults).toEqual([])
    await ground.call('DELETE', `${ground.project}/webhooks/${id}`)
  })

  test('a webhook is made for what Postrider tells of itself', async () => {
    const stage = opened()
    const ground = await stage.ground()
    await using visitor = await stage.visitOwner()
    const { page, faults } = visitor
    await page.goto(ground.page('/webhooks/new'))
    await page.getByRole('textbox', { name: 'Name' }).fill('Operations')
    await page.getByRole('textbox', { name: 'URL' }).fill(`${stage.receiver.url}operations`)
    await page.getByText('Application, environment, headers, signature, policy').click()
    await page.getByRole('switch', { name: 'Operational' }).check()
    await page.getByRole('button', { name: 'Create webhook' }).click()
    await page.getByRole('link', { name: 'To the webhook' }).click()
    await page.getByText('what Postrider tells of itself').waitFor()
    const { webhooks } = await ground.call('GET', `${ground.project}/webhooks`)
    const made = webhooks.find(({ name }: { name: string }) => name === 'Operations')
    expect(made).toMatchObject({ operational: true })
    expect(faults).toEqual([])
    await ground.call('DELETE', `${ground.project}/webhooks/${made.id}`)
  })
}

async function makeSick(connectionString: string, webhookId: string): Promise<void> {
  const database = new Database({ connectionString, maxConnections: 1 })
  await database.query(
    `WITH failing AS (
       INSERT INTO postrider.failing_webhooks (webhook_id, project_id, since, last_failed_at)
       SELECT id, project_id, now() - interval '3 days', now()
       FROM postrider.webhooks
       WHERE id = $1::uuid
     )
     INSERT INTO postrider.webhook_breakers (webhook_id, project_id, opened_at, probe_at, ends_at)
     SELECT id, project_id, now() - interval '1 hour', now() + interval '1 minute', now() + interval '1 hour'
     FROM postrider.webhooks
     WHERE id = $1::uuid`,
    [webhookId],
  )
  await database.close()
}
