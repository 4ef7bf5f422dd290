import { describe, expect, test } from 'vitest'
import { type Config, ConfigError, readConfig, settings } from '../src/config.ts'

const keyOf32Bytes = Buffer.alloc(32, 7).toString('base64')

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

describe('an empty environment', () => {
  test('gives every default of the contract', () => {
    expect(readConfig({})).toEqual({
      databaseUrl: null,
      directUrl: null,
      replicaUrl: null,
      dataDir: '.postrider',
      host: '127.0.0.1',
      port: 8080,
      publicUrl: null,
      trustedProxies: [],
      corsOrigins: [],
      rateLimit: true,
      adminKey: null,
      encryptionKeys: [],
      oidcIssuer: null,
      oidcClientId: null,
      oidcClientSecret: null,
      oidcAllowedDomains: [],
      allowHttp: false,
      allowPrivate: [],
      allowLinkLocal: false,
      allowPorts: ['web'],
      denyPorts: [],
      proxy: null,
      concurrency: 64,
      timeoutMs: 10_000,
      leaseSeconds: 15,
      retentionDays: 30,
      backlogLimit: 0,
      disableFailingDays: 5,
      backlogHigh: 10_000,
      metricsPort: null,
      metricsBy: null,
      logLevel: 'info',
      clientUrl: null,
      clientKey: null,
      clientProject: null,
    } satisfies Config)
  })

  test('is what empty and blank variables count as', () => {
    const env = Object.fromEntries(Object.values(settings).map(({ name }) => [name, ' ']))
    expect(readConfig(env)).toEqual(readConfig({}))
  })
})

describe('a right value', () => {
  test.each<[string, string, keyof Config, unknown]>([
    ['DATABASE_URL', 'postgres://u:p@h/d', 'databaseUrl', 'postgres://u:p@h/d'],
    ['DATABASE_URL', 'postgresql:///d?host=/tmp', 'databaseUrl', 'postgresql:///d?host=/tmp'],
    ['POSTRIDER_HOST', '0.0.0.0', 'host', '0.0.0.0'],
    ['POSTRIDER_HOST', '::1', 'host', '::1'],
    ['POSTRIDER_HOST', '[::1]', 'host', '::1'],
    ['POSTRIDER_HOST', 'localhost', 'host', 'localhost'],
    ['POSTRIDER_PORT', '0', 'port', 0],
    ['POSTRIDER_PORT', ' 65535 ', 'port', 65_535],
    ['POSTRIDER_DATA_DIR', '/var/lib/postrider', 'dataDir', '/var/lib/postrider'],
    ['POSTRIDER_ADMIN_KEY', 'abc', 'adminKey', 'abc'],
    ['POSTRIDER_ALLOW_HTTP', 'true', 'allowHttp', true],
    ['POSTRIDER_ALLOW_HTTP', '0', 'allowHttp', false],
    [
      'POSTRIDER_ALLOW_PRIVATE',
      '127.0.0.0/8, fd00::/8,10.1.2.3',
      'allowPrivate',
      ['127.0.0.0/8', 'fd00::/8', '10.1.2.3'],
    ],
    ['POSTRIDER_ALLOW_LINK_LOCAL', 'true', 'allowLinkLocal', true],
    ['POSTRIDER_ALLOW_PORTS', 'web, 444,8000-8100', 'allowPorts', ['web', '444', '8000-8100']],
    ['POSTRIDER_DENY_PORTS', '8080', 'denyPorts', ['8080']],
    ['POSTRIDER_PROXY', 'http://u:p@proxy:4750', 'proxy', 'http://u:p@proxy:4750'],
    ['POSTRIDER_CONCURRENCY', '1', 'concurrency', 1],
    ['POSTRIDER_RETENTION_DAYS', '365', 'retentionDays', 365],
    ['POSTRIDER_BACKLOG_LIMIT', '5000', 'backlogLimit', 5_000],
    ['POSTRIDER_DISABLE_FAILING_DAYS', '0', 'disableFailingDays', 0],
    ['POSTRIDER_BACKLOG_HIGH', '100000', 'backlogHigh', 100_000],
    ['POSTRIDER_LEASE_SECONDS', '5', 'leaseSeconds', 5],
    ['POSTRIDER_LEASE_SECONDS', '300', 'leaseSeconds', 300],
    ['POSTRIDER_TIMEOUT_MS', '1000', 'timeoutMs', 1_000],
    ['POSTRIDER_TIMEOUT_MS', '15000', 'timeoutMs', 15_000],
    ['POSTRIDER_RATE_LIMIT', 'off', 'rateLimit', false],
    ['POSTRIDER_RATE_LIMIT', 'ON', 'rateLimit', true],
    ['POSTRIDER_PUBLIC_URL', 'https://hooks.example.com/', 'publicUrl', 'https://hooks.example.com'],
    ['POSTRIDER_PUBLIC_URL', 'https://example.com/hooks', 'publicUrl', 'https://example.com/hooks'],
    ['POSTRIDER_TRUSTED_PROXIES', 'loopback,10.0.0.0/8', 'trustedProxies', ['loopback', '10.0.0.0/8']],
    [
      'POSTRIDER_CORS_ORIGINS',
      'https://a.example,http://localhost:5173/',
      'corsOrigins',
      ['https://a.example', 'http://localhost:5173'],
    ],
    ['POSTRIDER_CORS_ORIGINS', '*', 'corsOrigins', ['*']],
    ['POSTRIDER_LOG_LEVEL', 'Debug', 'logLevel', 'debug'],
    ['POSTRIDER_URL', 'https://hooks.example.com/', 'clientUrl', 'https://hooks.example.com'],
    ['POSTRIDER_KEY', 'abc', 'clientKey', 'abc'],
    ['POSTRIDER_PROJECT', 'Shop', 'clientProject', 'Shop'],
  ])('%s=%s is read', (name, text, key, value) => {
    expect(readConfig({ [name]: text })[key]).toEqual(value)
  })

  test('of POSTRIDER_ENCRYPTION_KEYS gives its keys in their order, in either alphabet of base64', () => {
    const bytes = Buffer.alloc(32, 0xfb)
    const { encryptionKeys } = readConfig({
      POSTRIDER_ENCRYPTION_KEYS: `new:${bytes.toString('base64')}, old_1:${bytes.toString('base64url')}`,
    })
    expect(encryptionKeys).toEqual([
      { id: 'new', key: bytes },
      { id: 'old_1', key: bytes },
    ])
  })
})

describe('a wrong value', () => {
  test.each([
    [
      'DATABASE_URL',
      'mysql://u:geheim@h/d',
      'must be a PostgreSQL URL such as postgresql://user:password@host:5432/database',
    ],
    [
      'POSTRIDER_HOST',
      'example.com:80',
      'must be an address or a host name without a port, such as 127.0.0.1 or 0.0.0.0, got "example.com:80"',
    ],
    ['POSTRIDER_PORT', '65536', 'must be a whole number from 0 to 65535, got "65536"'],
    ['POSTRIDER_PORT', '0x50', 'must be a whole number from 0 to 65535, got "0x50"'],
    ['POSTRIDER_ALLOW_HTTP', 'maybe', 'must be true or false, got "maybe"'],
    [
      'POSTRIDER_ALLOW_PRIVATE',
      '10.0.0.0/33',
      'must be comma-separated CIDRs such as 127.0.0.0/8,fd00::/8, got "10.0.0.0/33"',
    ],
    [
      'POSTRIDER_ALLOW_PRIVATE',
      'localhost',
      'must be comma-separated CIDRs such as 127.0.0.0/8,fd00::/8, got "localhost"',
    ],
    ...['http', '0', '70000', '8100-8000', '1-2-3', '443/tcp', '-1', '1e3'].map((text) => [
      'POSTRIDER_ALLOW_PORTS',
      text,
      `must be comma-separated ports, ranges or the word web, such as web,444,8000-8100, got "${text}"`,
    ]),
    ...[
      'proxy:4750',
      'socks5://geheim@proxy:1080',
      'http://u:geheim@proxy:4750/path',
      'http://u:geheim@proxy:0',
      'http://u:geheim%ff@proxy',
    ].map((text) => [
      'POSTRIDER_PROXY',
      text,
      'must be a URL such as http://proxy:4750 or https://user:password@proxy:8443',
    ]),
    ['POSTRIDER_CONCURRENCY', '0', 'must be a whole number from 1 to 1000, got "0"'],
    ['POSTRIDER_RETENTION_DAYS', '1.5', 'must be a whole number from 1 to 3650, got "1.5"'],
    ['POSTRIDER_LEASE_SECONDS', 'abc', 'must be a whole number from 5 to 300, got "abc"'],
    ['POSTRIDER_LEASE_SECONDS', '4', 'must be a whole number from 5 to 300, got "4"'],
    ['POSTRIDER_LEASE_SECONDS', '301', 'must be a whole number from 5 to 300, got "301"'],
    ['POSTRIDER_TIMEOUT_MS', '999', 'must be a whole number from 1000 to 15000, got "999"'],
    ['POSTRIDER_TIMEOUT_MS', '15001', 'must be a whole number from 1000 to 15000, got "15001"'],
    ['POSTRIDER_RATE_LIMIT', 'never', 'must be on or off, got "never"'],
    [
      'POSTRIDER_PUBLIC_URL',
      'ftp://x',
      'must be a web address such as https://postrider.example.com, got "ftp://x"',
    ],
    [
      'POSTRIDER_PUBLIC_URL',
      'https://u:geheim@x/',
      'must be a web address such as https://postrider.example.com, got "https://***@x/"',
    ],
    [
      'POSTRIDER_TRUSTED_PROXIES',
      'nginx',
      'must be comma-separated CIDRs or any of loopback, linklocal, uniquelocal, got "nginx"',
    ],
    [
      'POSTRIDER_TRUSTED_PROXIES',
      '0.0.0.0/0',
      'must not be everyone: whoever is believed can say to be anybody, got "0.0.0.0/0"',
    ],
    [
      'POSTRIDER_CORS_ORIGINS',
      'https://a.example/path',
      'must be * or comma-separated origins such as https://app.example.com, got "https://a.example/path"',
    ],
    [
      'POSTRIDER_LOG_LEVEL',
      'loud',
      'must be one of trace, debug, info, warn, error, fatal, silent, got "loud"',
    ],
  ])('%s=%s is told in words', (name, text, words) => {
    expect(problemsOf({ [name]: text })).toEqual([`${name} ${words}`])
  })

  test('of every setting is told at once', () => {
    const problems = problemsOf({
      POSTRIDER_PORT: 'x',
      POSTRIDER_LEASE_SECONDS: 'y',
      POSTRIDER_ENCRYPTION_KEYS: 'z',
      POSTRIDER_UNHEARD_OF: '1',
    })
    expect(problems).toHaveLength(4)
  })

  test('that is long or has control characters is shown on one short line', () => {
    const [problem] = problemsOf({ POSTRIDER_PORT: `a\nb${'c'.repeat(500)}` })
    expect(problem).toContain('got "a\\nbccc')
    expect(problem!.length).toBeLessThan(200)
  })

  test.each([
    ['geheim', 'must be id:base64 of 32 bytes, comma-separated, newest first'],
    [
      `k1:${keyOf32Bytes},geheim`,
      'must be id:base64 of 32 bytes, comma-separated, newest first, and entry 2 is not',
    ],
    [
      `k1:${Buffer.alloc(31).toString('base64')}`,
      'must be id:base64 of 32 bytes, comma-separated, newest first',
    ],
    [`${'k'.repeat(33)}:${keyOf32Bytes}`, 'must be id:base64 of 32 bytes, comma-separated, newest first'],
    [
      `k1:${keyOf32Bytes},k2:${keyOf32Bytes},k1:${keyOf32Bytes}`,
      'must have distinct ids, and entries 1 and 3 share one',
    ],
  ])('of POSTRIDER_ENCRYPTION_KEYS says which entry, and shows none (%#)', (text, words) => {
    const problems = problemsOf({ POSTRIDER_ENCRYPTION_KEYS: text })
    expect(problems).toEqual([`POSTRIDER_ENCRYPTION_KEYS ${words}`])
  })

  test('of a secret setting is never shown', () => {
    const shown = problemsOf({
      DATABASE_URL: 'geheim',
      POSTRIDER_ADMIN_KEY: 'ge heim',
      POSTRIDER_ENCRYPTION_KEYS: 'geheim',
    }).join()
    expect(shown).not.toMatch(/heim/)
  })
})

describe('single sign-on', () => {
  const provider = {
    POSTRIDER_OIDC_ISSUER: 'https://accounts.example.com',
    POSTRIDER_OIDC_CLIENT_ID: 'postrider',
    POSTRIDER_OIDC_CLIENT_SECRET: 'geheim',
  }

  test('is told whole or not at all', () => {
    expect(
      readConfig({ ...provider, POSTRIDER_OIDC_ALLOWED_DOMAINS: 'Example.com, b.example' }),
    ).toMatchObject({
      oidcIssuer: 'https://accounts.example.com',
      oidcClientId: 'postrider',
      oidcClientSecret: 'geheim',
      oidcAllowedDomains: ['example.com', 'b.example'],
    })
    for (const name of Object.keys(provider)) {
      const problem = `${name} must be set, too, for single sign-on`
      expect(problemsOf({ ...provider, [name]: '' })).toEqual([problem])
    }
    expect(problemsOf({ POSTRIDER_OIDC_ALLOWED_DOMAINS: 'example.com' })).toHaveLength(3)
  })

  test('is with a provider over https, or on this machine', () => {
    const issuer = (POSTRIDER_OIDC_ISSUER: string) => problemsOf({ ...provider, POSTRIDER_OIDC_ISSUER })
    for (const right of ['https://a.example/realms/x', 'http://localhost:8081', 'http://[::1]:1']) {
      expect(issuer(right)).toEqual([])
    }
    for (const wrong of ['http://a.example', 'a.example', 'https://u:p@a.example', 'https://a.example/?b']) {
      expect(issuer(wrong)[0]).toContain(
        'POSTRIDER_OIDC_ISSUER must be an https address such as https://accounts.example.com, got',
      )
    }
  })
})

describe('an unknown POSTRIDER_ name', () => {
  test.each([
    ['POSTRIDER_LEASE_SECOND', 'POSTRIDER_LEASE_SECONDS'],
    ['POSTRIDER_TIMEOUT', 'POSTRIDER_TIMEOUT_MS'],
    ['POSTRIDER_ENCRYPTION_KEY', 'POSTRIDER_ENCRYPTION_KEYS'],
    ['POSTRIDER_LOGLEVEL', 'POSTRIDER_LOG_LEVEL'],
    ['POSTRIDER_DATABASE_URL', 'DATABASE_URL'],
  ])('%s is answered with %s', (name, nearest) => {
    expect(problemsOf({ [name]: 'geheim' })).toEqual([`${name} is not a setting; did you mean ${nearest}?`])
  })

  test('is left alone when Kubernetes made it for a service', () => {
    const config = readConfig({
      POSTRIDER_SERVICE_HOST: '10.0.0.1',
      POSTRIDER_SERVICE_PORT: '8080',
      POSTRIDER_SERVICE_PORT_HTTP: '8080',
      POSTRIDER_PORT: 'tcp://10.0.0.1:8080',
      POSTRIDER_PORT_8080_TCP: 'tcp://10.0.0.1:8080',
      POSTRIDER_PORT_8080_TCP_PROTO: 'tcp',
      POSTRIDER_PORT_8080_TCP_PORT: '8080',
      POSTRIDER_PORT_8080_TCP_ADDR: '10.0.0.1',
      POSTRIDER_API_SERVICE_HOST: '10.0.0.2',
      POSTRIDER_API_PORT: 'tcp://10.0.0.2:8080',
      POSTRIDER_API_PORT_8080_TCP_ADDR: '10.0.0.2',
    })
    expect(config).toEqual(readConfig({}))
  })

  test('is not one without the prefix', () => {
    expect(problemsOf({ POSTRIDERS: '1', PORT: 'x' })).toEqual([])
  })
})
