import { closest, distance } from 'fastest-levenshtein'
import { ranges } from './options.ts'
import {
  cidr,
  connectionUrl,
  egressProxy,
  encryptionKeys,
  host,
  InvalidValue,
  issuer,
  listOf,
  mailDomain,
  nameOrId,
  onOrOff,
  oneOf,
  oneWord,
  origin,
  path,
  ports,
  proxy,
  trueOrFalse,
  webUrl,
  wholeNumber,
} from './setting-values.ts'

export type { EncryptionKey } from './setting-values.ts'

export interface Setting<Value> {
  name: string
  group:
    | 'Database'
    | 'HTTP'
    | 'Keys'
    | 'Single sign-on'
    | 'Deliveries'
    | 'Metrics'
    | 'Logging'
    | 'Command line'
  parse: (text: string) => Value
  fallback: Value
  /** The fallback in words, for the lists that people read. */
  default: string
  unit?: string
  description: string
  /** Its value is never shown, whatever is wrong with it. */
  isSecret?: true
}

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
type LogLevel = (typeof logLevels)[number]

const metricsBy = ['project', 'webhook'] as const
type MetricsBy = (typeof metricsBy)[number]

/**
 * Every setting there is. What is read, what `postrider serve --help` lists and docs/reference/settings.md
 * all come from here.
 */
export const settings = {
  databaseUrl: setting<string | null>({
    name: 'DATABASE_URL',
    group: 'Database',
    parse: connectionUrl,
    fallback: null,
    default: 'the embedded PostgreSQL',
    description:
      'The PostgreSQL database, 15 or later. May name several hosts, with target_session_attrs=read-write: see docs/many-machines.md.',
    isSecret: true,
  }),
  directUrl: setting<string | null>({
    name: 'POSTRIDER_DIRECT_DATABASE_URL',
    group: 'Database',
    parse: connectionUrl,
    fallback: null,
    default: 'none',
    description:
      'The same database past a pooler such as PgBouncer, for LISTEN alone: through a pooler of transactions workers are not woken.',
    isSecret: true,
  }),
  replicaUrl: setting<string | null>({
    name: 'POSTRIDER_REPLICA_DATABASE_URL',
    group: 'Database',
    parse: connectionUrl,
    fallback: null,
    default: 'none',
    description:
      'A streaming replica of the database, for lists, attempts, search and statistics; see docs/many-machines.md.',
    isSecret: true,
  }),
  dataDir: setting({
    name: 'POSTRIDER_DATA_DIR',
    group: 'Database',
    parse: path,
    fallback: '.postrider',
    default: '.postrider',
    description: 'Directory of the embedded database and of generated keys.',
  }),
  host: setting({
    name: 'POSTRIDER_HOST',
    group: 'HTTP',
    parse: host,
    fallback: '127.0.0.1',
    default: '127.0.0.1',
    description: 'Address to listen on; 0.0.0.0 for every interface.',
  }),
  port: setting({
    name: 'POSTRIDER_PORT',
    group: 'HTTP',
    parse: wholeNumber(0, 65_535),
    fallback: 8080,
    default: '8080',
    description: 'Port to listen on; 0 for any free one.',
  }),
  publicUrl: setting<string | null>({
    name: 'POSTRIDER_PUBLIC_URL',
    group: 'HTTP',
    parse: webUrl,
    fallback: null,
    default: 'http://HOST:PORT',
    description: 'Address by which people and browsers reach this server; links are made from it.',
  }),
  trustedProxies: setting({
    name: 'POSTRIDER_TRUSTED_PROXIES',
    group: 'HTTP',
    parse: listOf(proxy),
    fallback: [],
    default: 'none',
    unit: 'CIDRs',
    description:
      "Proxies whose X-Forwarded-For is believed, comma-separated; also 'loopback', 'linklocal', 'uniquelocal'.",
  }),
  corsOrigins: setting({
    name: 'POSTRIDER_CORS_ORIGINS',
    group: 'HTTP',
    parse: listOf(origin),
    fallback: [],
    default: 'none',
    unit: 'origins',
    description: 'Other origins whose pages may call the API, comma-separated; * for all.',
  }),
  rateLimit: setting({
    name: 'POSTRIDER_RATE_LIMIT',
    group: 'HTTP',
    parse: onOrOff,
    fallback: true,
    default: 'on',
    description: "The API's own rate limits; off lifts them, for tests.",
  }),
  adminKey: setting<string | null>({
    name: 'POSTRIDER_ADMIN_KEY',
    group: 'Keys',
    parse: oneWord,
    fallback: null,
    default: 'generated into the data directory; required with DATABASE_URL',
    description: 'The key that may do everything.',
    isSecret: true,
  }),
  encryptionKeys: setting({
    name: 'POSTRIDER_ENCRYPTION_KEYS',
    group: 'Keys',
    parse: encryptionKeys,
    fallback: [],
    default: 'generated into the data directory; required with DATABASE_URL',
    unit: 'id:base64 of 32 bytes',
    description:
      'Keys that encrypt webhook secrets, comma-separated, newest first: the first encrypts, all of them decrypt.',
    isSecret: true,
  }),
  oidcIssuer: setting<string | null>({
    name: 'POSTRIDER_OIDC_ISSUER',
    group: 'Single sign-on',
    parse: issuer,
    fallback: null,
    default: 'none',
    description:
      'OpenID Connect provider by which people log in, too, such as https://accounts.example.com; it must verify emails. Its redirect address is POSTRIDER_PUBLIC_URL/api/session/oidc/callback.',
  }),
  oidcClientId: setting<string | null>({
    name: 'POSTRIDER_OIDC_CLIENT_ID',
    group: 'Single sign-on',
    parse: oneWord,
    fallback: null,
    default: 'none',
    description: 'What this server is called at the provider.',
  }),
  oidcClientSecret: setting<string | null>({
    name: 'POSTRIDER_OIDC_CLIENT_SECRET',
    group: 'Single sign-on',
    parse: oneWord,
    fallback: null,
    default: 'none',
    description: 'What proves to the provider that it is this server.',
    isSecret: true,
  }),
  oidcAllowedDomains: setting({
    name: 'POSTRIDER_OIDC_ALLOWED_DOMAINS',
    group: 'Single sign-on',
    parse: listOf(mailDomain),
    fallback: [],
    default: 'all',
    unit: 'domains',
    description:
      'Domains of the emails that may log in by it, comma-separated. Nobody gets in without being invited, whichever.',
  }),
  allowHttp: setting({
    name: 'POSTRIDER_ALLOW_HTTP',
    group: 'Deliveries',
    parse: trueOrFalse,
    fallback: false,
    default: 'false',
    description: 'Lets webhook URLs be http, not only https.',
  }),
  allowPrivate: setting({
    name: 'POSTRIDER_ALLOW_PRIVATE',
    group: 'Deliveries',
    parse: listOf(cidr),
    fallback: [],
    default: 'none',
    unit: 'CIDRs',
    description: 'Private ranges that deliveries may go to, comma-separated, such as 127.0.0.0/8.',
  }),
  allowLinkLocal: setting({
    name: 'POSTRIDER_ALLOW_LINK_LOCAL',
    group: 'Deliveries',
    parse: trueOrFalse,
    fallback: false,
    default: 'false',
    description:
      'Lets POSTRIDER_ALLOW_PRIVATE open link-local addresses and those of cloud metadata, too, which hold credentials.',
  }),
  allowPorts: setting({
    name: 'POSTRIDER_ALLOW_PORTS',
    group: 'Deliveries',
    parse: listOf(ports),
    fallback: ['web'],
    default: 'web',
    unit: 'ports and ranges',
    description:
      'Ports that deliveries may go to, comma-separated; web is 80, 443 and those from 1024 that no other service is known by.',
  }),
  denyPorts: setting({
    name: 'POSTRIDER_DENY_PORTS',
    group: 'Deliveries',
    parse: listOf(ports),
    fallback: [],
    default: 'none',
    unit: 'ports and ranges',
    description: 'Ports that deliveries may not go to, whatever POSTRIDER_ALLOW_PORTS says.',
  }),
  proxy: setting<string | null>({
    name: 'POSTRIDER_PROXY',
    group: 'Deliveries',
    parse: egressProxy,
    fallback: null,
    default: 'none',
    description:
      'An http or https proxy that every delivery goes through, and that decides which addresses names may lead to: see docs/egress.md.',
    isSecret: true,
  }),
  concurrency: setting({
    name: 'POSTRIDER_CONCURRENCY',
    group: 'Deliveries',
    parse: wholeNumber(...ranges.concurrency),
    fallback: 64,
    default: '64',
    unit: 'requests',
    description: 'Deliveries that one worker sends at the same time.',
  }),
  timeoutMs: setting({
    name: 'POSTRIDER_TIMEOUT_MS',
    group: 'Deliveries',
    parse: wholeNumber(...ranges.timeoutMs),
    fallback: 10_000,
    default: '10000',
    unit: 'milliseconds, 1000 to 15000',
    description: 'Deadline of one attempt, from connecting to the end of the answer.',
  }),
  leaseSeconds: setting({
    name: 'POSTRIDER_LEASE_SECONDS',
    group: 'Deliveries',
    parse: wholeNumber(...ranges.leaseSeconds),
    fallback: 15,
    default: '15',
    unit: 'seconds, 5 to 300',
    description:
      'How long a delivery stays claimed without a sign of life before another worker takes it over.',
  }),
  retentionDays: setting({
    name: 'POSTRIDER_RETENTION_DAYS',
    group: 'Deliveries',
    parse: wholeNumber(...ranges.retentionDays),
    fallback: 30,
    default: '30',
    unit: 'days',
    description:
      'How long delivered and failed deliveries are kept, where their project or event type does not say otherwise.',
  }),
  backlogLimit: setting({
    name: 'POSTRIDER_BACKLOG_LIMIT',
    group: 'Deliveries',
    parse: wholeNumber(...ranges.backlogLimit),
    fallback: 0,
    default: '0',
    unit: 'deliveries, 0 for no limit',
    description:
      'How many deliveries of one project may wait before publishing is refused, where the project does not say otherwise.',
  }),
  disableFailingDays: setting({
    name: 'POSTRIDER_DISABLE_FAILING_DAYS',
    group: 'Deliveries',
    parse: wholeNumber(...ranges.disableFailingDays),
    fallback: 5,
    default: '5',
    unit: 'days',
    description:
      'A webhook becomes inactive when every attempt has failed for so long; 0 for never. See docs/sick-endpoints.md.',
  }),
  backlogHigh: setting({
    name: 'POSTRIDER_BACKLOG_HIGH',
    group: 'Deliveries',
    parse: wholeNumber(...ranges.backlogHigh),
    fallback: 10_000,
    default: '10000',
    unit: 'deliveries, at most 100000',
    description:
      'When so many deliveries of a project wait, its operational webhooks are told; 0 for never. See docs/operational-webhooks.md.',
  }),
  metricsPort: setting<number | null>({
    name: 'POSTRIDER_METRICS_PORT',
    group: 'Metrics',
    parse: wholeNumber(0, 65_535),
    fallback: null,
    default: 'none',
    description:
      'Port on which postrider worker, which has no API, answers /metrics, /healthz and /readyz; 0 for any free one. An API does that on its own.',
  }),
  metricsBy: setting<MetricsBy | null>({
    name: 'POSTRIDER_METRICS_BY',
    group: 'Metrics',
    parse: oneOf(metricsBy),
    fallback: null,
    default: 'none',
    description:
      'project or webhook: adds labels to metrics that grow with the number of those. See docs/observe.md for what that costs.',
  }),
  logLevel: setting<LogLevel>({
    name: 'POSTRIDER_LOG_LEVEL',
    group: 'Logging',
    parse: oneOf(logLevels),
    fallback: 'info',
    default: 'info',
    description: 'The least that is logged: trace, debug, info, warn, error, fatal or silent.',
  }),
  clientUrl: setting<string | null>({
    name: 'POSTRIDER_URL',
    group: 'Command line',
    parse: webUrl,
    fallback: null,
    default: 'POSTRIDER_PUBLIC_URL, or http://HOST:PORT',
    description: 'The server that commands such as postrider listen speak to.',
  }),
  clientKey: setting<string | null>({
    name: 'POSTRIDER_KEY',
    group: 'Command line',
    parse: oneWord,
    fallback: null,
    default: 'the admin key of the server that these settings are for',
    description: 'The key that those commands use.',
    isSecret: true,
  }),
  clientProject: setting<string | null>({
    name: 'POSTRIDER_PROJECT',
    group: 'Command line',
    parse: nameOrId,
    fallback: null,
    default: 'the only one there is',
    description: 'The project that those commands are about: its id, or with the admin key its name.',
  }),
}

export type Config = { [Key in keyof typeof settings]: (typeof settings)[Key]['fallback'] }

/** Everything wrong with the settings, told at once. */
export class ConfigError extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/**
 * The configuration that an environment describes. An empty variable counts as unset.
 * @throws {ConfigError} with every unknown name and every wrong value
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const problems = unknownNames(env).map(nearestName)
  const config: Record<string, unknown> = {}
  for (const [key, { name, parse, fallback, isSecret }] of Object.entries(settings)) {
    const text = env[name]?.trim() ?? ''
    if (text === '' || isServiceLink(name, text)) {
      config[key] = fallback
      continue
    }
    try {
      config[key] = parse(text)
    } catch (error) {
      if (!(error instanceof InvalidValue)) throw error
      problems.push(`${name} ${error.message}${isSecret ? '' : `, got ${quoted(text)}`}`)
    }
  }
  problems.push(...halfOfProvider(env, config))
  if (problems.length > 0) throw new ConfigError(problems)
  return config as Config
}

/** A provider is told whole or not at all. */
function halfOfProvider(
  env: Readonly<Record<string, string | undefined>>,
  config: Record<string, unknown>,
): string[] {
  const needed = [settings.oidcIssuer, settings.oidcClientId, settings.oidcClientSecret].map(
    ({ name }) => name,
  )
  const given = needed.filter((name) => (env[name]?.trim() ?? '') !== '')
  const isUsed = given.length > 0 || (config['oidcAllowedDomains'] as string[] | undefined)?.length
  if (!isUsed) return []
  return needed
    .filter((name) => !given.includes(name))
    .map((name) => `${name} must be set, too, for single sign-on`)
}

const knownNames = Object.values(settings).map(({ name }) => name)

function unknownNames(env: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(env)
    .filter(([name, text]) => name.startsWith('POSTRIDER_') && !isServiceLink(name, text ?? ''))
    .map(([name]) => name)
    .filter((name) => !knownNames.includes(name))
}

/**
 * Kubernetes tells each pod of the services around it: a service named `postrider` arrives as
 * POSTRIDER_SERVICE_HOST, POSTRIDER_PORT=tcp://10.0.0.1:8080 and POSTRIDER_PORT_8080_TCP_ADDR,
 * one named `postrider-api` as POSTRIDER_API_SERVICE_HOST and so on. None of them is meant for us.
 */
function isServiceLink(name: string, text: string): boolean {
  return (
    /^POSTRIDER_(SERVICE|PORT)_/.test(name) ||
    /^POSTRIDER_(\w+_)?SERVICE_(HOST|PORT(_\w+)?)$/.test(name) ||
    /^POSTRIDER_\w+_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?$/.test(name) ||
    (/^POSTRIDER_(\w+_)?PORT$/.test(name) && /^(tcp|udp|sctp):\/\//i.test(text))
  )
}

function nearestName(name: string): string {
  const bareName = name.replace('POSTRIDER_', '')
  const nearest = closest(name, knownNames)
  // POSTRIDER_DATABASE_URL is nearer to DATABASE_URL than its letters say.
  const nearestBare = closest(bareName, knownNames)
  const isBareNearer = distance(bareName, nearestBare) < distance(name, nearest)
  return `${name} is not a setting; did you mean ${isBareNearer ? nearestBare : nearest}?`
}

/** What was written, fit for one line of a message, without the password that a URL may carry. */
function quoted(text: string): string {
  const shown = text.replace(/\/\/[^/@\s]*@/g, '//***@')
  return JSON.stringify(shown.length > 80 ? `${shown.slice(0, 80)}…` : shown)
}

function setting<Value>(definition: Setting<Value>): Setting<Value> {
  return definition
}
