/**
 * Writes the table of settings into README.md, between its markers; with --check only says whether it is current.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { settingsTable } from '../src/cli/settings-help.ts'

const file = new URL('../README.md', import.meta.url)
const start = '<!-- settings: made by npm run generate -->'
const end = '<!-- /settings -->'

const text = readFileSync(file, 'utf8')
const [before, rest] = text.split(start)
const after = rest?.split(end)[1]
if (before === undefined || after === undefined)
  fail(`README.md has no place for the settings: ${start} … ${end}`)

const current = `${before}${start}\n${settingsTable()}\n${end}${after}`
if (!process.argv.includes('--check')) writeFileSync(file, current)
else if (current !== text)
  fail('the settings in README.md are not current: node scripts/settings.ts writes them')

function fail(message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}
