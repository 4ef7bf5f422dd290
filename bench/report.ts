import type { Case, Column } from './cases/case.ts'
import { type CaseResults } from './rounds.ts'
import { median, pairedRatio, type Spread } from './statistics.ts'

/** The results of one case as a Markdown table, which is as readable in a terminal. */
export function caseTable({ columns }: Case, results: CaseResults): string {
  const [main] = columns
  const reference = [...results.keys()].find((name) => name.startsWith('Postrider'))!
  const rows = Array.from(results, ([name, figures]) => {
    const medians = columns.map(({ key, digits }) =>
      formatNumber(median(figures.map((round) => round[key] ?? Number.NaN)), digits),
    )
    const ratio = pairedRatio(valuesOf(results, reference, main!), valuesOf(results, name, main!))
    return [name, ...medians, name === reference ? '' : formatRatio(ratio)]
  })
  return table([['', ...columns.map(({ title }) => title), `${main!.title}: ${reference} ÷ it`], ...rows])
}

function valuesOf(results: CaseResults, contestant: string, { key }: Column): number[] {
  return results.get(contestant)!.map((figures) => figures[key]!)
}

/** The first row is the head; columns after the first are numbers. */
export function table([head, ...rows]: readonly (readonly string[])[]): string {
  const widths = head!.map((_, column) => Math.max(3, ...[head!, ...rows].map((row) => row[column]!.length)))
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join(' | ')} |`
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`
  return [line(head!), rule, ...rows.map(line)].join('\n')
}

export function formatNumber(value: number, digits = 0): string {
  if (!Number.isFinite(value)) return ''
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

/** `1.52 (1.31..1.70)`: the median and its range. */
export function formatRatio({ median, min, max }: Spread): string {
  return `${formatNumber(median, 2)} (${formatNumber(min, 2)}..${formatNumber(max, 2)})`
}
