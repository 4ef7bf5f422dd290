import { describe, expect, it } from 'vitest'
import { createTestDatabase } from '../support/database.ts'
import { allBlocks, type Block, pages, placeOf } from './blocks.ts'

/**
 * SQL of the documents runs on a real database, the blocks of a page in its order and in one transaction that is rolled
 * back: roles that they make belong to the whole server. `:'project'` is psql's way to write a variable; `shop` is the role of the
 * application.
 */

const { database } = await createTestDatabase()
/** As the documents write it where psql fills in no variable. */
const projectId = '019a8c2e-0a3b-7d5c-9e1f-4b7a8c2d6e90'
await database.query('INSERT INTO postrider.projects (id, name) VALUES ($1::uuid, $2::text)', [
  projectId,
  'shop',
])

const blocksByPage = pages
  .map((page) => [page, allBlocks.filter((block) => block.page === page && isTested(block))] as const)
  .filter(([, blocks]) => blocks.length > 0)

describe('SQL in the documents', () => {
  it.each(blocksByPage)('of %s runs', async (_page, blocks) => {
    const rolledBack = new Error('rolled back')
    const run = database.transaction(async (transaction) => {
      await transaction.query('CREATE ROLE shop')
      for (const block of blocks) {
        await transaction.query(inTransaction(block.code)).catch((cause: unknown) => {
          throw new Error(`${placeOf(block)}: ${String(cause)}`, { cause })
        })
        // What a block's own transaction would have ended.
        await transaction.query('RESET ROLE')
      }
      throw rolledBack
    })
    await expect(run).rejects.toBe(rolledBack)
  })

  it('is there to be run', () => {
    expect(blocksByPage.length).toBeGreaterThan(1)
  })
})

function isTested({ language, untested }: Block): boolean {
  return language === 'sql' && untested === undefined
}

function inTransaction(sql: string): string {
  return sql
    .replaceAll(":'project'", `'${projectId}'`)
    .replaceAll(/^BEGIN;/gm, 'SAVEPOINT block;')
    .replaceAll(/^COMMIT;/gm, 'RELEASE SAVEPOINT block;')
}
