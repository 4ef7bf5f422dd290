export type VerificationErrorCode =
  | 'invalid_secret'
  | 'body_not_raw'
  | 'body_too_large'
  | 'missing_header'
  | 'invalid_timestamp'
  | 'timestamp_too_old'
  | 'timestamp_too_new'
  | 'signature_mismatch'
  | 'invalid_json'

/**
 * The request is not one that Postrider signed with this secret just now. Answer 401 and do nothing else.
 * `invalid_secret` and `body_not_raw` are mistakes in the receiver's own code: answer 500, and the delivery comes again.
 * `body_too_large` is thrown by the helpers for frameworks alone, which read the body themselves.
 */
export class VerificationError extends Error {
  override readonly name = 'VerificationError'
  readonly code: VerificationErrorCode

  constructor(code: VerificationErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
