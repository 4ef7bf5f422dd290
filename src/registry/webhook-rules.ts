import type { AddressPolicy } from '../address.ts'
import type { FieldError } from '../contract/errors.ts'
import { invalid, memberPath } from '../contract/validate.ts'
import { shapeComplaints } from '../shape/shape.ts'
import { checkHeaders } from './headers.ts'
import { secretComplaint, type SignatureScheme } from './secret.ts'
import { checkUrl } from './url.ts'

interface Settings {
  url?: string
  headers?: Record<string, string>
  secret?: string
  signature_scheme?: SignatureScheme
  payload_template?: unknown
  filter?: string | null
}

/**
 * The rules for a webhook's settings that no schema can say. Answers the settings with the URL as it is stored.
 *
 * @throws {PostriderError} with everything that is wrong
 */
export function checkSettings<Given extends Settings>(settings: Given, policy: AddressPolicy): Given {
  const errors: FieldError[] = []
  const checked = { ...settings }
  if (settings.url !== undefined) {
    const check = checkUrl(settings.url, policy)
    if (check.ok) checked.url = check.url
    else errors.push({ path: 'url', message: check.message })
  }
  for (const { name, message } of checkHeaders(settings.headers ?? {})) {
    errors.push({ path: name === undefined ? 'headers' : memberPath('headers', name), message })
  }
  const complaint =
    settings.secret === undefined ? undefined : secretComplaint(settings.secret, settings.signature_scheme)
  if (complaint !== undefined) errors.push({ path: 'secret', message: complaint })
  errors.push(...shapeComplaints(settings))
  if (errors.length > 0) throw invalid(errors)
  return checked
}

/** The URL as it is stored. */
export function checkedUrl(url: string, policy: AddressPolicy): string {
  return checkSettings({ url }, policy).url
}
