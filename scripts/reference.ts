/**
 * Writes docs/reference: what the contract, the settings, the schema and the command line say by themselves. With --check
 * only says whether the pages are current.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { callsPage, shapesPage } from './reference/api.ts'
import { cliPage } from './reference/cli.ts'
import { errorsPage } from './reference/errors.ts'
import { settingsPage } from './reference/settings.ts'
import { sqlPage } from './reference/sql.ts'

const root = join(import.meta.dirname, '..')
const note = '<!-- Made by npm run generate; not to be edited. -->'

export async function referencePages(): Promise<Record<string, string>> {
  const schema = readFileSync(join(root, 'src/database/schema.sql'), 'utf8')
  return {
    'http-api.md': callsPage(),
    'shapes.md': shapesPage(),
    'errors.md': errorsPage(),
    'settings.md': settingsPage(),
    'sql.md': sqlPage(schema),
    'command-line.md': await cliPage(),
  }
}

if (import.meta.main) {
  for (const [name, text] of Object.entries(await referencePages())) {
    const path = join(root, 'docs/reference', name)
    const page = `${note}\n\n${text.trim()}\n`
    if (!process.argv.includes('--check')) writeFileSync(path, page)
    else if (contentOf(path) !== page) {
      process.stderr.write(`docs/reference/${name} is not current: npm run generate writes it\n`)
      process.exitCode = 1
    }
  }
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
