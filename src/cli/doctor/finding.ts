/** What one check found. A `problem` stops deliveries or loses them; a `warning` will, or may, one day. */
export interface Finding {
  state: 'ok' | 'warning' | 'problem'
  /** What was looked at: `database`, `clock`, `address guard`. */
  subject: string
  /** What is so, in words. */
  message: string
  /** What to do about it. */
  remedy?: string
}

export function ok(subject: string, message: string): Finding {
  return { state: 'ok', subject, message }
}

export function warning(subject: string, message: string, remedy: string): Finding {
  return { state: 'warning', subject, message, remedy }
}

export function problem(subject: string, message: string, remedy: string): Finding {
  return { state: 'problem', subject, message, remedy }
}
