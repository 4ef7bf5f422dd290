import { blockedHosts } from './addresses.ts'

/** Whole URLs that must not be sent to, `{port}` being that of a listener on this machine. */
export const blockedUrls = {
  'another host before or after the one that counts': [
    'http://evil.com@127.0.0.1:{port}/',
    'http://evil.com:pass@127.0.0.1:{port}/',
    'http://127.0.0.1:{port}@example.com/',
    'http://a@b@127.0.0.1:{port}/',
    'http://127.0.0.1:{port}\\@example.com/',
    'http://127.0.0.1:{port}?@example.com/',
    'http://127.0.0.1:{port}#@example.com/',
    'http://127.0.0.1:{port};@example.com/',
    'http://example.com%40127.0.0.1:{port}/',
  ],
  'slashes that are none': [
    'http:\\\\127.0.0.1:{port}',
    'http:/\\127.0.0.1:{port}/',
    'http:127.0.0.1:{port}',
    'http:/127.0.0.1:{port}/',
    'http:///127.0.0.1:{port}',
    'http://///127.0.0.1:{port}/',
    'HtTp://127.0.0.1:{port}/',
    '//127.0.0.1:{port}/',
    '/\\127.0.0.1:{port}/',
    '127.0.0.1:{port}/',
  ],
  'ports that are none, or are written in another way': [
    'http://127.0.0.1:0{port}/',
    'http://127.0.0.1:00000000{port}/',
    'http://example.com:65536/',
    'http://example.com:-1/',
    'http://example.com:+80/',
    'http://example.com: 80/',
    'http://example.com:8O80/',
    'http://example.com:80:80/',
    'http://example.com:000022/',
    'http://example.com:２２/',
    'http://example.com:%32%32/',
  ],
  'control characters, which parsers drop': [
    'http://127.0.0.1:{port}/\r\nX-Evil: 1',
    'http://127.0.0.1\t:{port}/',
    'http://exa\nmple.com/',
    'http://example.com/a\r\nb',
    'http://example.com/\0',
    'http://exa\0mple.com/',
    'http://example.com/\u0085',
    '\thttp://example.com/',
    'ht\ntp://example.com/',
  ],
  'other schemes': [
    'file:///etc/passwd',
    'ftp://example.com/',
    'gopher://127.0.0.1:{port}/_',
    'dict://127.0.0.1:{port}/stat',
    'ldap://127.0.0.1:{port}/',
    'ws://example.com/',
    'wss://example.com/',
    'data:text/plain,hello',
    'unix:/var/run/docker.sock',
    'http+unix://%2Fvar%2Frun%2Fdocker.sock/info',
    'jar:http://127.0.0.1:{port}!/',
    'blob:http://127.0.0.1:{port}/',
    'view-source:http://127.0.0.1:{port}/',
    'javascript:alert(1)',
    'about:blank',
  ],
} as const

/** Every URL of the two tables above, http and https, aimed at `port` of this machine. */
export function blockedTargets(port: number): string[] {
  const hosts = Object.values(blockedHosts).flat()
  const urls = Object.values(blockedUrls).flat()
  return [
    ...['http', 'https'].flatMap((scheme) => hosts.map((host) => `${scheme}://${host}:${port}/hook`)),
    ...urls
      .flatMap((url) => [url, url.replace(/^http:/i, 'https:')])
      .map((url) => url.replace('{port}', `${port}`)),
  ]
}
