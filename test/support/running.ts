import { createServer } from '../../src/api/server.ts'
import { Postrider, type PostriderOptions } from '../../src/postrider.ts'
import { createTestDatabase } from './database.ts'

export const adminKey = 'test-admin-key-0123456789abcdef'
export const encryptionKeys = [{ id: 'test', key: Buffer.alloc(32, 7) }]

export interface Running extends AsyncDisposable {
  url: string
  postrider: Postrider
  connectionString: string
}

/** The whole product on a database of its own: API on a free port, worker and upkeep, allowed to send to this machine. */
export async function startPostrider(options: Partial<PostriderOptions> = {}): Promise<Running> {
  const { connectionString } = await createTestDatabase()
  const postrider = new Postrider({
    connectionString,
    encryptionKeys,
    allowHttp: true,
    allowPrivate: ['127.0.0.0/8'],
    ...options,
  })
  const server = createServer({ postrider, adminKey, port: 0, rateLimit: false })
  await postrider.start()
  const { url } = await server.start()
  return {
    url,
    postrider,
    connectionString,
    async [Symbol.asyncDispose]() {
      await server.stop()
      await postrider.stop()
    },
  }
}
