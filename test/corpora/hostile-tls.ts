import { randomBytes } from 'node:crypto'
import type { SecureVersion, TlsOptions } from 'node:tls'
import { type CertificateInput, makeCertificate } from '../support/certificate.ts'
import {
  type Behaviour,
  drips,
  floods,
  resets,
  saysNothing,
  sends,
  sendsAndCloses,
} from '../support/hostile.ts'

/** Receivers with which TLS does not come about. The request is never written; the delivery is retried. */
export interface HostileTlsCase {
  does: string
  /** TLS as it is offered, or what a TCP server does in its place. */
  tls?: TlsOptions
  insteadOfTls?: Behaviour
  /** `last_error`, `{deadline}` standing for the milliseconds of the deadline. */
  says: string | RegExp
  isEndless?: true
}

export const authority = makeCertificate({ name: 'Test authority', isAuthority: true })
const stranger = makeCertificate({ name: 'Stranger', isAuthority: true })
const dayMs = 86_400_000
const daysFromNow = (days: number): Date => new Date(Date.now() + days * dayMs)

/** For this name, which leads to 127.0.0.1 here. */
export const host = 'hooks.example.com'
export const good = makeCertificate({ name: host, hosts: [host, '127.0.0.1'], issuer: authority })

const timeout = { says: 'timeout after {deadline} ms', isEndless: true } as const
const otherHost = 'tls: certificate is for another host'
const unknown = 'tls: certificate of an unknown authority, or its chain is incomplete'

function certified(does: string, input: Partial<CertificateInput>, says: string): HostileTlsCase {
  return { does, tls: makeCertificate({ name: host, issuer: authority, ...input }), says }
}

function speaking(version: SecureVersion): HostileTlsCase {
  const tls = { ...good, minVersion: 'TLSv1', maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' } as const
  return { does: `speaks ${version} at most`, tls, says: /^tls: / }
}

export const hostileTls: readonly (readonly [group: string, cases: readonly HostileTlsCase[]])[] = [
  [
    'a certificate',
    [
      certified(
        'is expired',
        { validFrom: daysFromNow(-2), validTo: daysFromNow(-1) },
        'tls: certificate has expired',
      ),
      certified(
        'is not valid yet',
        { validFrom: daysFromNow(1), validTo: daysFromNow(2) },
        'tls: certificate is not yet valid',
      ),
      { does: 'is self-signed', tls: makeCertificate({ name: host }), says: 'tls: self-signed certificate' },
      certified('is from an unknown authority', { issuer: stranger }, unknown),
      {
        does: 'is from a certificate that is no authority',
        tls: fromALeaf(),
        says: /^tls: certificate refused/,
      },
      certified('is for another host', { hosts: ['example.org'] }, otherHost),
      certified('is for a host one level up', { hosts: ['example.com'] }, otherHost),
      certified('is for a host one level down', { hosts: [`a.${host}`] }, otherHost),
      certified('is for every host', { hosts: ['*'] }, otherHost),
      certified('is for every .com', { hosts: ['*.com'] }, otherHost),
      certified('is for a part of the name', { hosts: ['hooks.*.com', 'h*s.*.*'] }, otherHost),
      certified(
        'is for the host and what stands behind a NUL',
        { hosts: [`${host}\0.example.org`] },
        otherHost,
      ),
      certified('has the host in its common name alone', { hosts: ['example.org'] }, otherHost),
    ],
  ],
  [
    'a handshake',
    [
      speaking('TLSv1'),
      speaking('TLSv1.1'),
      {
        does: 'has ciphers without a certificate alone',
        tls: { ...good, maxVersion: 'TLSv1.2', ciphers: 'aNULL@SECLEVEL=0' },
        says: /^tls: /,
      },
      {
        does: 'speaks another protocol above it alone',
        tls: { ...good, ALPNProtocols: ['h2'] },
        says: /^tls: /,
      },
      { does: 'sends a chain of 600 KB', tls: { ...good, cert: longChain() }, says: /^tls: / },
    ],
  ],
  [
    'no handshake',
    [
      { does: 'is silent', insteadOfTls: saysNothing, ...timeout },
      { does: 'drips', insteadOfTls: drips('\x16\x03\x03\x40\x00', '\x02'), ...timeout },
      { does: 'speaks plain HTTP', insteadOfTls: sends('HTTP/1.1 400 Bad Request\r\n\r\n'), says: /^tls: / },
      { does: 'closes', insteadOfTls: sendsAndCloses(''), says: 'connection reset' },
      { does: 'resets', insteadOfTls: resets, says: 'connection reset' },
      { does: 'refuses', insteadOfTls: sends('\x15\x03\x03\x00\x02\x02\x28'), says: /^tls: / },
      { does: 'does not know the name', insteadOfTls: sends('\x15\x03\x03\x00\x02\x02\x70'), says: /^tls: / },
      { does: 'warns without end', insteadOfTls: floods('', '\x15\x03\x03\x00\x02\x01\x00'), says: /./ },
      {
        does: 'sends empty records without end',
        insteadOfTls: floods('', '\x16\x03\x03\x00\x00'),
        says: /./,
      },
      {
        does: 'sends garbage',
        insteadOfTls: sends(Buffer.concat([Buffer.from([0x16, 3, 3, 0x10, 0]), randomBytes(4_096)])),
        says: /^tls: /,
      },
      { does: 'sends garbage without end', insteadOfTls: floods('', '\xde\xad'), says: /^tls: / },
    ],
  ],
]

/** Certificates with thousands of names, one after the other. */
function longChain(): string {
  const hosts = Array.from({ length: 1_000 }, (_, n) => `${'long'.repeat(6)}-${n}.example.com`)
  const links = Array.from(
    { length: 15 },
    () => makeCertificate({ name: 'link', hosts, issuer: authority }).cert,
  )
  return [good.cert, ...links].join('')
}

function fromALeaf(): TlsOptions {
  const leaf = makeCertificate({ name: 'leaf.example.com', issuer: authority })
  const { key, cert } = makeCertificate({ name: host, issuer: leaf })
  return { key, cert: cert + leaf.cert }
}
