import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { notFound } from '../contract/errors.ts'
import type { App, Context } from './context.ts'
import { acceptsGzip } from './docs.ts'

/**
 * The dashboard: one page for all of its paths, and the files it loads. They are built before (`npm run build`); what
 * runs in the browser uses the API alone.
 */

const builtFiles = fileURLToPath(new URL('../../dist/dashboard/', import.meta.url))

/** Nothing inline and nothing from elsewhere: what was stored by a stranger cannot run even where it got into a page. */
const policy = [
  "default-src 'self'",
  "object-src 'none'",
  "base-uri 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ')

/** The paths that the page itself reads. */
const pagePaths = ['/', '/login', '/setup', '/invitation', '/projects', '/projects/*', '/account', '/users']

const contentTypes: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
}

export function addDashboard(app: App, basePath: string): void {
  for (const path of pagePaths) {
    app.get(path, (context) => {
      context.set('route', path)
      return page(context, basePath)
    })
  }
  // A path under a base has no slash at its end, but people type one.
  app.get('/*', (context, next) => {
    if (new URL(context.req.url).pathname !== `${basePath}/`) return next()
    context.set('route', '/')
    return page(context, basePath)
  })
  app.get('/assets/:file', (context) => {
    context.set('route', '/assets')
    return file(context, `assets/${context.req.param('file')}`, 'public, max-age=31536000, immutable')
  })
  app.get('/favicon.svg', (context) => {
    context.set('route', '/favicon.svg')
    return file(context, 'favicon.svg', 'public, max-age=86400')
  })
}

/** Its `<base>` leads to where this is mounted, told relative to the page's own address: proxies may add a prefix. */
async function page(context: Context, basePath: string): Promise<Response> {
  const html = await readFile(`${builtFiles}index.html`, 'utf8').catch(() => notBuilt)
  const path = new URL(context.req.url).pathname.slice(basePath.length)
  return new Response(html.replace('<base href="./" />', `<base href="${baseOf(path, basePath)}" />`), {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policy,
      'cache-control': 'no-cache',
    },
  })
}

function baseOf(path: string, basePath: string): string {
  // The mount's own address without a slash at its end: what is relative to it begins one level higher.
  if (path === '') return `./${basePath.slice(basePath.lastIndexOf('/') + 1)}/`
  return '../'.repeat(path.split('/').length - 2) || './'
}

interface BuiltFile {
  plain: Uint8Array<ArrayBuffer>
  compressed: Uint8Array<ArrayBuffer> | undefined
}

const files = new Map<string, Promise<BuiltFile>>()

async function file(context: Context, name: string, cacheControl: string): Promise<Response> {
  const contentType = contentTypes[extname(name)]
  if (!contentType || !/^(assets\/)?[\w-][\w.-]*$/.test(name)) throw notFound('file')
  const { plain, compressed } = await built(name)
  const isGzip = compressed !== undefined && acceptsGzip(context.req.header('accept-encoding') ?? '')
  return new Response(isGzip ? compressed : plain, {
    headers: {
      'content-type': contentType,
      'cache-control': cacheControl,
      vary: 'accept-encoding',
      ...(isGzip && { 'content-encoding': 'gzip' }),
    },
  })
}

/** Read and compressed once. A file that is not there is asked for again: it may be built by then. */
function built(name: string): Promise<BuiltFile> {
  const known = files.get(name)
  if (known) return known
  const reading = read(name)
  files.set(name, reading)
  reading.catch(() => files.delete(name))
  return reading
}

async function read(name: string): Promise<BuiltFile> {
  const plain = await readFile(builtFiles + name).catch(() => {
    throw notFound('file')
  })
  const compressed = extname(name) === '.woff2' ? undefined : await promisify(gzip)(plain)
  return { plain: new Uint8Array(plain), compressed: compressed && new Uint8Array(compressed) }
}

const notBuilt = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <base href="./" />
    <title>Postrider</title>
  </head>
  <body>
    <h1>Postrider</h1>
    <p>The dashboard is not built in this checkout: <code>npm start</code> does it, or <code>npm run build</code>.</p>
    <p><a href="./docs">API documentation</a></p>
  </body>
</html>
`
