import { expect, test } from 'vitest'
import { seriousFaults } from './browser.ts'
import type { Stage } from './stage.ts'

/** The catalogue: registered, shown as code, changed, deprecated. */
export function eventTypes(opened: () => Stage): void {
  test('an event type is registered, with what is wrong told at its field, and then changed', async () => {
    const stage = opened()
    const ground = await stage.ground()
    await using visitor = await stage.visitOwner()
    const { page, faults } = visitor
    const name = 'invoice.sent'
    const schema = {
      type: 'object',
      properties: { total: { type: 'integer' }, currency: { enum: ['EUR', 'USD'] } },
      required: ['total'],
    }
    const publish = (data: object) => ground.publish({ type: name, data })

    await page.goto(ground.page('/event-types'))
    await page.getByRole('button', { name: 'Register event type' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('textbox', { name: 'Name' }).fill(name)
    await dialog.getByRole('textbox', { name: 'Description' }).fill('An invoice went out.')
    await dialog.getByRole('textbox', { name: 'Schema' }).fill('{"type": "text"}')
    await dialog.getByRole('textbox', { name: 'Example' }).fill('{"total": "much"')
    await dialog.getByText('This is no JSON').waitFor()
    await dialog.getByRole('textbox', { name: 'Example' }).fill('{"total": "much"}')
    expect(await seriousFaults(page)).toEqual([])
    await dialog.getByRole('button', { name: 'Register' }).click()
    await dialog.getByText('schema.type is no JSON Schema').waitFor()
    await dialog.getByRole('textbox', { name: 'Schema' }).fill(JSON.stringify(schema))
    await dialog.getByRole('button', { name: 'Register' }).click()
    await dialog.getByText('example.total must be a whole number').waitFor()
    await dialog.getByRole('textbox', { name: 'Example' }).fill('{"total": 9007199254740993}')
    await dialog.getByRole('button', { name: 'Register' }).click()

    await page.getByRole('link', { name }).click()
    await page.getByRole('heading', { name }).waitFor()
    await page.getByText('Schema, version 1').first().waitFor()
    await page.getByText("currency?: 'EUR' | 'USD'").waitFor()
    await page.getByText('9007199254740993').waitFor()
    await expect(publish({ total: 'much' })).rejects.toThrow(/data.total must be a whole number/)
    await publish({ total: 1 })

    await page.getByRole('button', { name: 'Deprecate' }).click()
    await page.getByText('Deprecated', { exact: true }).waitFor()
    await page.getByRole('button', { name: 'Edit' }).click()
    await dialog.getByRole('textbox', { name: 'Schema' }).fill('')
    await dialog.getByRole('button', { name: 'Save' }).click()
    await page.getByText('None: any JSON is accepted').waitFor()
    await publish({ total: 'much' })

    await page.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('dialog').getByRole('textbox').fill(name)
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('heading', { name: 'Event types' }).waitFor()
    // What a browser says of answers that refuse something is no fault of the page.
    expect(faults.filter((fault) => !fault.includes('422'))).toEqual([])
  })
}
