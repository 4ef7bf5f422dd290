import { type Setting, settings } from '../config.ts'

const allSettings: readonly Setting<unknown>[] = Object.values(settings)
const groups = [...new Set(allSettings.map(({ group }) => group))]
const widthColumns = 100

/** Every setting for `postrider serve --help`, with its default and unit. */
export function settingsHelp(): string {
  const column = Math.max(...allSettings.map(({ name }) => name.length)) + 4
  const sections = groups.map((group) => {
    const entries = allSettings
      .filter((setting) => setting.group === group)
      .map((setting) => {
        const facts = [
          `default: ${setting.default}`,
          ...(setting.unit ? [`unit: ${setting.unit}`] : []),
        ].join('; ')
        const lines = [
          ...wrapped(setting.description, widthColumns - column),
          ...wrapped(facts, widthColumns - column),
        ]
        return [
          `  ${setting.name.padEnd(column - 2)}${lines[0]}`,
          ...lines.slice(1).map(indented(column)),
        ].join('\n')
      })
    return [`${group}:`, ...entries].join('\n')
  })
  return [
    'Settings are environment variables. They are also read from a file .env in the directory where',
    'postrider is started; the environment wins. An unknown POSTRIDER_ name stops the start.',
    '',
    sections.join('\n\n'),
  ].join('\n')
}

/** The same as a table for docs/reference/settings.md. */
export function settingsTable(): string {
  const rows = allSettings.map(
    ({ name, default: fallback, unit, description }) =>
      `| \`${name}\` | ${asCell(fallback)} | ${unit ?? ''} | ${description} |`,
  )
  return ['| setting | default | unit | what it does |', '| --- | --- | --- | --- |', ...rows].join('\n')
}

/** A value is set as code, words are not. */
function asCell(fallback: string): string {
  return fallback.includes(' ') || fallback === 'none' ? fallback : `\`${fallback}\``
}

function wrapped(text: string, width: number): string[] {
  return text.split(' ').reduce<string[]>((lines, word) => {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width)
      return [...lines.slice(0, -1), `${last} ${word}`]
    return [...lines, word]
  }, [])
}

function indented(columns: number) {
  return (line: string): string => ' '.repeat(columns) + line
}
