import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

/** Tells a story in plain text on stdout, with colours on a terminal only and not with NO_COLOR. */
export class Narrator {
  #steps = 0

  title(text: string): void {
    this.#print(`\n${styled('bold', text)}\n`)
  }

  step(text: string): void {
    this.#steps += 1
    this.#print(`\n${styled('cyan', String(this.#steps))}  ${styled('bold', text)}\n`)
  }

  done(text: string): void {
    this.line(`${styled('green', '✓')} ${text}`)
  }

  warning(text: string): void {
    this.line(`${styled('yellow', '!')} ${text}`)
  }

  /** Names and values, in two columns. */
  facts(facts: Readonly<Record<string, unknown>>): void {
    const columns = Math.max(...Object.keys(facts).map((name) => name.length)) + 2
    for (const [name, value] of Object.entries(facts)) {
      this.line(`${styled('dim', name.padEnd(columns))}${String(value)}`)
    }
  }

  /** JSON for reading: indented, whatever its white space was. */
  json(value: unknown): void {
    for (const line of JSON.stringify(value, null, 2).split('\n')) this.line(styled('dim', line))
  }

  line(text: string): void {
    this.#print(`   ${text}\n`)
  }

  #print(text: string): void {
    process.stdout.write(text)
  }
}

function styled(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout })
}
