import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

export interface Column<Row> {
  title: string
  text: (row: Row) => string | number | null | undefined
  style?: (row: Row) => Style | undefined
}

/** What a command prints: for people, or with `--json` JSON and nothing else on stdout. Colours are for terminals only. */
export class Output {
  readonly isJson: boolean

  constructor({ isJson }: { isJson: boolean }) {
    this.isJson = isJson
  }

  /** Whether somebody watches. */
  get isTerminal(): boolean {
    return !this.isJson && process.stdout.isTTY
  }

  /** What was asked for, as JSON. */
  json(value: unknown): void {
    process.stdout.write(`${JSON.stringify(value, null, process.stdout.isTTY ? 2 : undefined)}\n`)
  }

  /** One JSON object on a line, of many that come in time. */
  jsonLine(value: object): void {
    process.stdout.write(`${JSON.stringify(value)}\n`)
  }

  /** For people; nothing with `--json`. */
  line(text = ''): void {
    if (!this.isJson) process.stdout.write(`${text}\n`)
  }

  /** What is no result, for people: on stderr. */
  note(text: string): void {
    process.stderr.write(`${text}\n`)
  }

  style(style: Style | undefined, text: string): string {
    // NO_COLOR and what is no terminal are its business.
    return style === undefined ? text : styleText(style, text, { stream: process.stdout })
  }

  table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): void {
    const cells = rows.map((row) => columns.map(({ text }) => plain(String(text(row) ?? '–'))))
    const widths = columns.map(({ title }, index) =>
      Math.max(title.length, ...cells.map((row) => row[index]!.length)),
    )
    const inLine = (texts: string[], styles: (Style | undefined)[]) =>
      texts
        .map((text, index) => {
          const isLast = index === texts.length - 1
          return this.style(styles[index], text) + (isLast ? '' : ' '.repeat(widths[index]! - text.length))
        })
        .join('  ')
    this.line(
      inLine(
        columns.map(({ title }) => title),
        columns.map(() => 'dim'),
      ),
    )
    rows.forEach((row, index) =>
      this.line(
        inLine(
          cells[index]!,
          columns.map(({ style }) => style?.(row)),
        ),
      ),
    )
  }

  /** Names and values of one thing. */
  fields(fields: readonly (readonly [name: string, value: string | number | null | undefined])[]): void {
    const width = Math.max(...fields.map(([name]) => name.length)) + 2
    for (const [name, value] of fields) {
      this.line(`${this.style('dim', name.padEnd(width))}${plain(String(value ?? '–'))}`)
    }
  }
}

// oxlint-disable-next-line no-control-regex
const unprintable = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** What others wrote must not move the cursor, ring, recolour or turn around. */
export function plain(text: string): string {
  return text.replaceAll(unprintable, '\uFFFD')
}

/** To the second, UTC. */
export function shortTime(moment: string | null): string {
  return moment === null ? '–' : moment.slice(0, 19).replace('T', ' ')
}

export function statusStyle(status: string): Style | undefined {
  const styles: Record<string, Style> = {
    delivered: 'green',
    failed: 'red',
    delivering: 'cyan',
    pending: 'yellow',
  }
  return styles[status]
}

/** A bar on a terminal that is written over; elsewhere nothing. */
export class Progress {
  readonly #isShown: boolean

  constructor({ output }: { output: Output }) {
    this.#isShown = !output.isJson && process.stderr.isTTY
  }

  show(done: number, total: number): void {
    if (!this.#isShown) return
    const share = total === 0 ? 1 : Math.min(1, done / total)
    const filled = Math.round(share * 24)
    const bar = '█'.repeat(filled) + '░'.repeat(24 - filled)
    process.stderr.write(`\r\u001b[K${bar} ${Math.floor(share * 100)} %  ${done} of ${total}`)
  }

  end(): void {
    if (this.#isShown) process.stderr.write('\r\u001b[K')
  }
}
