import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createTestDatabase } from '../support/database.ts'

/**
 * Every statement in the source that stands there whole is PREPAREd against the migrated schema: a column that was
 * renamed or a cast that is missing is found here, whether or not a test runs the statement.
 */

const { database } = await createTestDatabase()
const root = join(import.meta.dirname, '../../src')

const statements = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.startsWith('cli'))
  .flatMap((file) => {
    const source = readFileSync(join(root, file), 'utf8')
    return [...source.matchAll(/`(\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH)\b[^`]*)`/g)].map(([, text]) => ({
      file,
      text: text!,
    }))
  })
  // Batch sizes are written into the text by name, and what a trace adds is left out; any other part put together is run
  // by the tests of its file.
  .map(({ file, text }) => ({
    file,
    text: text
      .replaceAll(/\$\{(?:batchSize|stepSize|backlogCountedTo)\}/g, '1000')
      .replaceAll(/\$\{(?:before|after)\}/g, ''),
  }))
  .filter(({ text }) => text.includes('postrider.') && !text.includes('${'))

describe('every whole statement prepares against the migrated schema', () => {
  it('finds the statements', () => {
    expect(statements.length).toBeGreaterThan(30)
  })

  it.each(
    statements.map(({ file, text }) => [
      `${file}: ${text.trim().replaceAll(/\s+/g, ' ').slice(0, 60)}`,
      text,
    ]),
  )('%s', async (_name, text) => {
    await database.transaction(async (transaction) => {
      await transaction.query(`PREPARE statement AS ${text}`)
      await transaction.query('DEALLOCATE statement')
    })
  })
})
