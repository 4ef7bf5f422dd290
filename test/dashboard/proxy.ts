import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Proxy extends AsyncDisposable {
  /** Without a slash at its end. */
  url: string
  /** Paths that were asked for outside of the prefix. */
  strayed: string[]
}

/** A reverse proxy that serves another server under a path and takes it away from what it passes on. */
export async function behindProxy(target: string, prefix: string): Promise<Proxy> {
  const strayed: string[] = []
  const server = createServer((incoming, outgoing) => {
    const path = incoming.url ?? '/'
    if (!path.startsWith(`${prefix}/`)) {
      if (path !== '/favicon.ico') strayed.push(path)
      outgoing.writeHead(404).end()
      return
    }
    const { hostname, port } = new URL(target)
    const onward = request(
      { hostname, port, path: path.slice(prefix.length), method: incoming.method, headers: incoming.headers },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(outgoing)
      },
    )
    onward.on('error', () => outgoing.destroy())
    outgoing.on('close', () => onward.destroy())
    incoming.pipe(onward)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${prefix}`,
    strayed,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
