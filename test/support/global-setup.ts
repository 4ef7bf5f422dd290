import type { TestProject } from 'vitest/node'
import { Database } from '../../src/database/database.ts'
import { migrate } from '../../src/database/migrate.ts'
import { startTestServer } from './server.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Connection string of the run's server, without a database. */
    serverUrl: string
    /** Name of the migrated database. */
    template: string
  }
}

const TEMPLATE = 'postrider_template'

/** One PostgreSQL for the whole run, with a migrated database that each test file copies. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const bin = process.env['TEST_POSTGRES_BIN']
  const server = await startTestServer(bin ? { binaries: bin } : {})
  try {
    await createTemplate(server.url)
  } catch (error) {
    await server.stop()
    throw error
  }
  project.provide('serverUrl', server.url)
  project.provide('template', TEMPLATE)
  return () => server.stop()
}

async function createTemplate(url: string): Promise<void> {
  const server = new Database({ connectionString: `${url}/postgres` })
  await server.query(`CREATE DATABASE ${TEMPLATE}`)
  const template = new Database({ connectionString: `${url}/${TEMPLATE}` })
  await migrate(template, { direction: 'up' })
  await template.close()
  // Copying needs a template that nobody is connected to.
  await server.query(`ALTER DATABASE ${TEMPLATE} ALLOW_CONNECTIONS false IS_TEMPLATE true`)
  await server.close()
}
