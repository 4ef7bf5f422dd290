import { randomBytes } from 'node:crypto'
import { createServer as createReceiver } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer } from '../../src/api/server.ts'
import { Database } from '../../src/database/database.ts'
import { Postrider } from '../../src/postrider.ts'

/** What a fuzzer plays on: the whole product with its worker on a migrated database, and a receiver on this machine. */
export interface Ground extends AsyncDisposable {
  url: string
  receiverUrl: string
  adminKey: string
  database: Database
  postrider: Postrider
}

export async function startGround(connectionString: string): Promise<Ground> {
  const database = new Database({ connectionString, maxConnections: 2 })
  const adminKey = `admin-${randomBytes(12).toString('hex')}`
  const receiver = createReceiver((request, response) => {
    request.resume()
    const [, answer = '200'] = /^\/([\w-]+)/.exec(request.url ?? '') ?? []
    if (answer === 'hang-up') request.socket.destroy()
    else if (answer === 'nonsense') request.socket.end('nonsense\r\n\r\n')
    else response.writeHead(Number(answer), { location: '/200', 'retry-after': '1' }).end()
  })
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
  const postrider = new Postrider({
    connectionString,
    encryptionKeys: [{ id: 'fuzz', key: randomBytes(32) }],
    allowHttp: true,
    allowPrivate: ['127.0.0.0/8'],
  })
  const server = createServer({ postrider, adminKey, port: 0, rateLimit: false })
  await postrider.start()
  const { url } = await server.start()
  return {
    url,
    receiverUrl: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`,
    adminKey,
    database,
    postrider,
    async [Symbol.asyncDispose]() {
      await server.stop()
      await postrider.stop()
      await database.close()
      receiver.closeAllConnections()
      await new Promise((resolve) => receiver.close(resolve))
    },
  }
}
