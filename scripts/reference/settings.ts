import { settingsTable } from '../../src/cli/settings-help.ts'

export function settingsPage(): string {
  return `# Settings

Environment variables, or lines of a file \`.env\` in the directory where \`postrider\` is started; the environment wins. An
unknown \`POSTRIDER_\` name stops the start, with the nearest name that there is. \`postrider serve --help\` shows the same.

${settingsTable()}
`
}
