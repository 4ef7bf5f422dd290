import { errors } from 'undici'
import { BlockedError } from './guard.ts'
import { LookupError } from './resolve.ts'
import { ProxyError } from './tunnel.ts'

export type FailureClass =
  | 'timeout'
  | 'blocked'
  | 'dns'
  /** Nobody listens there. */
  | 'refused'
  | 'network'
  /** The egress proxy refused the connection, or could not be reached. */
  | 'proxy'
  | 'tls'
  /** What came back was no HTTP. */
  | 'protocol'
  /** The sender was stopped: the try says nothing about the receiver. */
  | 'aborted'
  /** The request itself could not be sent. */
  | 'request'

export interface Failure {
  class: FailureClass
  /** In words, for people. */
  error: string
}

/** How much of an answer had come in when something went wrong. */
export type Progress = 'nothing' | 'begun' | 'head'

/** What an error of the connection or of undici means. Decided by codes, never by an error's text. */
export function describeFailure(error: unknown, progress: Progress): Failure {
  if (error instanceof BlockedError) return { class: 'blocked', error: error.message }
  if (error instanceof ProxyError) return { class: 'proxy', error: error.message }
  if (error instanceof LookupError) {
    return { class: 'dns', error: error.isNotFound ? 'host not found' : `dns lookup failed (${error.code})` }
  }
  if (error instanceof errors.HTTPParserError) return { class: 'protocol', error: invalidAnswer }
  const code = codeOf(error)
  const known = words[code]
  if (known) return { class: known[0], error: known[1] }
  if (code === 'UND_ERR_SOCKET') return closed[progress]
  // Found at the end of an answer, also of one whose two lengths made its head invalid.
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') {
    const isInvalid = progress !== 'head'
    return { class: 'protocol', error: isInvalid ? invalidAnswer : 'shorter than its content-length' }
  }
  // Of the system's resolver, which is asked for the name of a proxy.
  if (code.startsWith('EAI_')) return { class: 'dns', error: `dns lookup failed (${code})` }
  if (code.startsWith('HPE_')) return { class: 'protocol', error: `invalid http answer (${code})` }
  if (code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_') || code === 'EPROTO') {
    return { class: 'tls', error: `tls: ${reasonOf(error) ?? code}` }
  }
  if (isCertificateCode(code)) return { class: 'tls', error: `tls: certificate refused (${code})` }
  if (code.startsWith('UND_ERR_')) return { class: 'request', error: `request failed: ${messageOf(error)}` }
  return {
    class: 'network',
    error: code ? `connection failed (${code})` : `connection failed: ${messageOf(error)}`,
  }
}

/** Closed by the receiver, or by undici upon a head it refuses (an unasked 100 or 101). */
const closed: Record<Progress, Failure> = {
  nothing: { class: 'network', error: 'connection closed before an answer' },
  begun: { class: 'protocol', error: 'incomplete or invalid http answer' },
  head: { class: 'network', error: 'connection closed' },
}

const invalidAnswer = 'invalid http answer'

const words: Record<string, [FailureClass, string]> = {
  ECONNREFUSED: ['refused', 'connection refused'],
  ECONNRESET: ['network', 'connection reset'],
  ECONNABORTED: ['network', 'connection reset'],
  EPIPE: ['network', 'connection reset'],
  ETIMEDOUT: ['network', 'connection timed out'],
  EHOSTUNREACH: ['network', 'host unreachable'],
  EHOSTDOWN: ['network', 'host unreachable'],
  ENETUNREACH: ['network', 'network unreachable'],
  EADDRNOTAVAIL: ['network', 'network unreachable'],
  ENOTFOUND: ['dns', 'host not found'],
  CERT_HAS_EXPIRED: ['tls', 'tls: certificate has expired'],
  CERT_NOT_YET_VALID: ['tls', 'tls: certificate is not yet valid'],
  CERT_REVOKED: ['tls', 'tls: certificate was revoked'],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['tls', 'tls: self-signed certificate'],
  SELF_SIGNED_CERT_IN_CHAIN: ['tls', 'tls: self-signed certificate in the chain'],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [
    'tls',
    'tls: certificate of an unknown authority, or its chain is incomplete',
  ],
  UNABLE_TO_GET_ISSUER_CERT: ['tls', 'tls: certificate of an unknown authority, or its chain is incomplete'],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: [
    'tls',
    'tls: certificate of an unknown authority, or its chain is incomplete',
  ],
  ERR_TLS_CERT_ALTNAME_INVALID: ['tls', 'tls: certificate is for another host'],
  // undici asserts what it expects of an answer.
  ERR_ASSERTION: ['protocol', invalidAnswer],
  UND_ERR_HEADERS_OVERFLOW: ['protocol', 'answer headers too large'],
}

function isCertificateCode(code: string): boolean {
  return /CERT|CRL|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|^UNSPECIFIED$/.test(
    code,
  )
}

/** Of several addresses tried, the first tells most. */
function codeOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0])
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : ''
}

/** OpenSSL's short reason ("tlsv1 alert protocol version"); the message of such an error is a dump. */
function reasonOf(error: unknown): string | undefined {
  const reason = error instanceof Error && 'reason' in error ? error.reason : undefined
  return typeof reason === 'string' ? reason : undefined
}

function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.replaceAll('\0', '\uFFFD').slice(0, 200)
}
