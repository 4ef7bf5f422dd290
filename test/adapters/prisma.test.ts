import { execFile } from 'node:child_process'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { PrismaPg } from '@prisma/adapter-pg'
import { afterAll, expect, it } from 'vitest'
import type { PrismaTransaction } from '../../src/adapters/prisma.ts'
import { library } from './libraries.ts'
import { publishesInTransactionsOf } from './publishes.ts'

/** Prisma's client is generated for each schema: here for this one, without a network. */

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const modules = join(root, 'node_modules')
const directory = await mkdtemp(join(tmpdir(), 'postrider-prisma-'))
afterAll(() => rm(directory, { recursive: true, force: true }))

await symlink(modules, join(directory, 'node_modules'))
await writeFile(
  join(directory, 'schema.prisma'),
  `
  generator client {
    provider               = "prisma-client"
    output                 = "./client"
    moduleFormat           = "esm"
    generatedFileExtension = "ts"
    importFileExtension    = "ts"
  }
  datasource db {
    provider = "postgresql"
  }
  model Order {
    id Int @id
    @@map("orders")
  }
  `,
)
const quietly = {
  ...process.env,
  // It needs no engine, and would still fetch one from the network if none were named.
  PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
  CHECKPOINT_DISABLE: '1',
  PRISMA_HIDE_UPDATE_MESSAGE: '1',
}
await run(
  process.execPath,
  [join(modules, 'prisma/build/index.js'), 'generate', '--schema', 'schema.prisma', '--no-hints'],
  { cwd: directory, env: quietly },
)

/** As much of the generated client as is used here; the compiler sees the whole of it below. */
interface Client {
  $transaction(work: (tx: Tx) => Promise<unknown>): Promise<unknown>
  $disconnect(): Promise<void>
}
interface Tx extends PrismaTransaction {
  $executeRawUnsafe(statement: string): Promise<number>
}
const generated: unknown = await import(pathToFileURL(join(directory, 'client/client.ts')).href)
const { PrismaClient } = generated as { PrismaClient: new (options: object) => Client }

publishesInTransactionsOf(
  library<Tx>('Prisma', (connectionString) => {
    const client = new PrismaClient({
      adapter: new PrismaPg({ connectionString, max: 2 }),
      // Its 5 seconds are for a machine that does nothing else.
      transactionOptions: { maxWait: 30_000, timeout: 60_000 },
    })
    return {
      inTransaction: (work) => client.$transaction(work),
      run: (tx, statement) => tx.$executeRawUnsafe(statement),
      outside: [client],
      close: () => client.$disconnect(),
    }
  }),
)

it('the types take its transaction, extended too, and not its client', async () => {
  await writeFile(join(directory, 'package.json'), '{"type": "module"}')
  await writeFile(
    join(directory, 'types.ts'),
    `
    import type { PrismaClient } from './client/client.ts'
    import type { DrizzleTransaction } from '${root}/src/adapters/drizzle.ts'
    import type { KyselyTransaction } from '${root}/src/adapters/kysely.ts'
    import type { AnyTransaction } from '${root}/src/publish/transaction.ts'

    export async function publishing(prisma: PrismaClient, publish: (transaction: AnyTransaction) => void) {
      await prisma.$transaction(async (tx) => publish(tx))
      const extended = prisma.$extends({ name: 'extended', model: { order: { count: async () => 1 } } })
      await extended.$transaction(async (tx) => publish(tx))
      // @ts-expect-error: the client itself is in no transaction
      publish(prisma)
      // @ts-expect-error: the client itself is in no transaction
      publish(extended)
      await prisma.$transaction(async (tx) => {
        // @ts-expect-error: of another library
        const kysely: KyselyTransaction = tx
        // @ts-expect-error: of another library
        const drizzle: DrizzleTransaction = tx
        return [kysely, drizzle]
      })
    }
    `,
  )
  await writeFile(
    join(directory, 'tsconfig.json'),
    JSON.stringify({
      extends: join(root, 'tsconfig.json'),
      compilerOptions: { noUnusedLocals: false, rewriteRelativeImportExtensions: false },
      include: ['types.ts'],
      exclude: [],
    }),
  )
  const compiler = join(modules, 'typescript/bin/tsc')
  const compiled = run(process.execPath, [compiler, '-p', directory]).catch(
    (error: { stdout: string }) => error,
  )
  expect((await compiled).stdout).toBe('')
}, 60_000)
