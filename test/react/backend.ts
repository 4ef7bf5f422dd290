import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { build, type Rolldown } from 'vite'
import { listening } from '../support/listening.ts'

/** The backend of an application: it serves the page, and passes on its calls with the key, which no browser gets. */
export async function startBackend({ api, key }: { api: string; key: string }) {
  const files = await buildPage()
  const seen: IncomingMessage[] = []
  const { url, stop } = await listening((request, response) => {
    const { pathname, search } = new URL(request.url!, 'http://localhost')
    const passedOn = /^\/api\/postrider(\/.*)$/.exec(pathname)?.[1]
    if (passedOn === undefined) {
      serve(files, pathname, response)
      return
    }
    seen.push(request)
    passOn(request, response, { to: api + passedOn + search, key }).catch(() => response.destroy())
  })
  /** `seen`: calls that came from the page. */
  return { url, stop, seen }
}

async function passOn(
  request: IncomingMessage,
  response: ServerResponse,
  { to, key }: { to: string; key: string },
): Promise<void> {
  const answer = await fetch(to, { method: request.method!, headers: { authorization: `Bearer ${key}` } })
  const body = Buffer.from(await answer.arrayBuffer())
  response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' }).end(body)
}

function serve(files: Map<string, string>, pathname: string, response: ServerResponse): void {
  const file = files.get(pathname === '/' ? '/index.html' : pathname)
  const type = pathname.endsWith('.js')
    ? 'text/javascript'
    : pathname.endsWith('.css')
      ? 'text/css'
      : 'text/html'
  // As strict as the dashboard's: nothing inline.
  const policy = "default-src 'self'; img-src 'self' data:"
  response.writeHead(file === undefined ? 404 : 200, {
    'content-type': `${type}; charset=utf-8`,
    'content-security-policy': policy,
  })
  response.end(file)
}

async function buildPage(): Promise<Map<string, string>> {
  const { output } = (await build({
    configFile: false,
    root: import.meta.dirname,
    logLevel: 'error',
    build: {
      write: false,
      minify: false,
      rolldownOptions: { input: join(import.meta.dirname, 'page.html') },
    },
  })) as Rolldown.RolldownOutput
  return new Map(
    output.map((file) => [
      file.fileName === 'page.html' ? '/index.html' : `/${file.fileName}`,
      file.type === 'chunk' ? file.code : String(file.source),
    ]),
  )
}
