import { version } from '../version.ts'

/** The first page. Links are relative: they hold wherever this is mounted. */
export function homePage(): Response {
  const html = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Postrider</title>
    <style>
      body { font: 16px/1.6 system-ui, sans-serif; max-width: 36rem; margin: 15vh auto 0; padding: 0 1rem; }
      @media (prefers-color-scheme: dark) { body { background: #16181d; color: #e6e6e6; } a { color: #8ab4f8; } }
    </style>
  </head>
  <body>
    <h1>Postrider ${version}</h1>
    <p>Webhooks for your product, on the PostgreSQL you already have.</p>
    <ul>
      <li><a href="./docs">API documentation</a></li>
      <li><a href="./openapi.json">OpenAPI document</a></li>
      <li><a href="./readyz">Is it ready?</a></li>
    </ul>
  </body>
</html>
`
  return new Response(html, {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy':
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    },
  })
}
