/**
 * The text of an answer. `rawMember` names the member that is JSON text already: it goes in as it stands, so that no
 * number of it passes through a double.
 */
export function answerText(answer: object, rawMember?: string): string {
  if (rawMember === undefined) return JSON.stringify(answer)
  const { [rawMember]: raw, ...rest } = answer as Record<string, unknown>
  const text = JSON.stringify(rest)
  return `${text.slice(0, -1)}${text === '{}' ? '' : ','}${JSON.stringify(rawMember)}:${String(raw)}}`
}
