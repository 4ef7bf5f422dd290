import { afterAll, beforeAll, describe, inject } from 'vitest'
import { POSTGRES_15, postgres15Missing, startTestServer, type TestServer } from './server.ts'

/**
 * The same tests on the server of this run and on the oldest one supported. Databases made with the given URL
 * are to be dropped by the test that made them (`await using`).
 */
export function onEachPostgres(define: (serverUrl: () => string) => void): void {
  describe('on the PostgreSQL of this run', () => {
    define(() => inject('serverUrl'))
  })

  // A run on another server is the second one: the first had both.
  describe.skipIf(postgres15Missing || process.env['TEST_POSTGRES_BIN'])('on PostgreSQL 15', () => {
    let server: TestServer
    beforeAll(async () => {
      server = await startTestServer({ binaries: POSTGRES_15 })
    })
    afterAll(() => server.stop())
    define(() => server.url)
  })
}
