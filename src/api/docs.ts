import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { routes } from '../contract/routes.ts'
import type { Context } from './context.ts'

/**
 * The OpenAPI document as pages, by a browser bundle that is part of this package. Nothing is fetched from anywhere
 * else: the configuration asks for nothing, and the policy would refuse it.
 */

const bundleVersion = '1.72.1'
const bundleFile = new URL(`../../vendor/scalar-api-reference-${bundleVersion}.js.gz`, import.meta.url)

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Paths are relative to `/docs`, so that they hold under any base path. */
const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Postrider API</title>
    <style>body { margin: 0; }</style>
  </head>
  <body>
    <div id="reference"></div>
    <noscript>These pages need JavaScript. The same is in <a href="./openapi.json">openapi.json</a>.</noscript>
    <script src="./docs/scalar-${bundleVersion}.js"></script>
    <script src="./docs/start.js"></script>
  </body>
</html>
`

const start = `const base = new URL('.', location.href).href
Scalar.createApiReference('#reference', {
  url: new URL('openapi.json', base).href,
  baseServerURL: base.replace(/\\/$/, ''),
  withDefaultFonts: false,
  telemetry: false,
  hideClientButton: true,
  showDeveloperTools: 'never',
  agent: { disabled: true },
  mcp: { disabled: true },
  persistAuth: false,
  defaultOpenAllTags: false,
})
`

const startPath = `${routes.docs.path}/start.js`
const bundlePath = `${routes.docs.path}/scalar-${bundleVersion}.js`

export const docsPaths = [routes.docs.path, startPath, bundlePath]

/** What answers one of the paths. */
export function docsAnswer(path: string): (context: Context) => Response | Promise<Response> {
  if (path === bundlePath) return (context) => bundleAnswer(context.req.header('accept-encoding') ?? '')
  if (path === startPath) return () => answer(start, 'text/javascript; charset=utf-8')
  return () => answer(page, 'text/html; charset=utf-8', { 'content-security-policy': policy })
}

function answer(body: string, contentType: string, headers: Record<string, string> = {}): Response {
  return new Response(body, { headers: { 'content-type': contentType, ...headers } })
}

let bundle: Promise<Buffer> | undefined
/** Unpacked once: anybody may ask for it, as often as they like. */
let plainBundle: Promise<Buffer> | undefined

async function bundleAnswer(acceptEncoding: string): Promise<Response> {
  const isGzip = acceptsGzip(acceptEncoding)
  bundle ??= readFile(bundleFile)
  const body = await (isGzip ? bundle : (plainBundle ??= bundle.then((packed) => promisify(gunzip)(packed))))
  return new Response(new Uint8Array(body), {
    headers: {
      'content-type': 'text/javascript; charset=utf-8',
      'cache-control': 'public, max-age=31536000, immutable', // the version is in its name
      vary: 'accept-encoding',
      ...(isGzip && { 'content-encoding': 'gzip' }),
    },
  })
}

export function acceptsGzip(header: string): boolean {
  return header
    .split(',')
    .map((entry) => entry.trim().split(/\s*;\s*/))
    .some(([coding = '', weight = 'q=1']) => /^(gzip|\*)$/i.test(coding) && !/^q=0(\.0+)?$/i.test(weight))
}
