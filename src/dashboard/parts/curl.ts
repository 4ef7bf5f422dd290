/** A command that makes a call of the API, for those who copy it; the key stands in the environment. */
export function curl(method: string, url: string, body?: object): string {
  const lines = [
    `curl${method === 'GET' ? '' : ` -X ${method}`} ${address(url)}`,
    `-H "Authorization: Bearer $POSTRIDER_KEY"`,
  ]
  if (body) lines.push(`-H 'Content-Type: application/json'`, `-d ${quoted(JSON.stringify(body))}`)
  return lines.join(' \\\n  ')
}

/** What curl would take for a pattern of many addresses is one. */
export function address(url: string): string {
  return `${/[[\]{}]/.test(url) ? '-g ' : ''}${quoted(url)}`
}

/** For a shell, in which nothing of it means anything. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
