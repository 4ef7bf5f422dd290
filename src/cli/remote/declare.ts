import { type Argument, Command, InvalidArgumentError } from 'commander'

/** The commands that speak to a running server. Only their names and options are here: what they do is loaded when they run. */

/** One of them as it was asked for. */
export interface RemoteCall {
  command: RemoteCommand
  args: string[]
  options: RemoteOptions & Record<string, unknown>
}

/** What all of them take. */
export interface RemoteOptions {
  url?: string
  key?: string
  project?: string
  json?: boolean
}

export type RemoteCommand =
  | 'listen'
  | 'trigger'
  | 'tail'
  | 'events publish'
  | 'events list'
  | 'events show'
  | 'events erase'
  | 'deliveries list'
  | 'deliveries show'
  | 'deliveries retry'
  | 'webhooks list'
  | 'webhooks show'
  | 'webhooks create'
  | 'webhooks test'
  | 'webhooks enable'
  | 'webhooks disable'
  | 'webhooks rotate-secret'
  | 'webhooks delete'
  | 'types pull'
  | 'types generate'
  | 'types push'

export type RunRemote = (call: RemoteCall) => Promise<void>

interface Declaration {
  command: RemoteCommand
  summary: string
  description?: string
  arguments?: Argument[]
  help?: string
}

/** A command with the options that all of them take. */
export function declareRemote(parent: Command, run: RunRemote, declaration: Declaration): Command {
  const { command: name, summary, description = summary, help } = declaration
  const command = parent
    .command(name.split(' ').at(-1)!)
    .summary(summary)
    .description(description)
    .option('--url <url>', 'the server (POSTRIDER_URL)')
    .option('--key <key>', 'a key of the project, or the admin key; better in POSTRIDER_KEY')
    .option('--project <id>', 'the project, if there are several (POSTRIDER_PROJECT)')
    .option('--json', 'print JSON and nothing else on stdout')
  for (const argument of declaration.arguments ?? []) command.addArgument(argument)
  if (help) command.addHelpText('after', `\n${help}`)
  return command.action(async (...given: unknown[]) => {
    const args = given
      .slice(0, -2)
      .flat()
      .filter((argument) => argument !== undefined) as string[]
    await run({ command: name, args, options: command.opts() })
  })
}

/** A command that only holds others. */
export function declareGroup(program: Command, name: string, summary: string): Command {
  const group = program.command(name).summary(summary).description(summary)
  group.helpCommand('help [command]', 'explain a command')
  return group
}

export function wholeNumber(min: number, max: number) {
  return (text: string): number => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN
    if (!(value >= min && value <= max)) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`)
    }
    return value
  }
}

const unitSeconds = { s: 1, m: 60, h: 3_600, d: 86_400 }

/** RFC 3339, or how long ago: `90s`, `15m`, `2h`, `7d`. Answers RFC 3339. */
export function moment(text: string): string {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  if (count !== undefined) {
    const seconds = Number(count) * unitSeconds[unit as keyof typeof unitSeconds]
    return new Date(Date.now() - seconds * 1_000).toISOString()
  }
  const isWhole = /^\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?)?$/.test(text)
  const ms = isWhole ? Date.parse(text) : NaN
  if (Number.isNaN(ms)) {
    throw new InvalidArgumentError(
      'It must be a time such as 2026-11-24T09:30:00Z, or how long ago, such as 15m or 2h.',
    )
  }
  return new Date(ms).toISOString()
}

export function webAddress(text: string): string {
  const url = URL.parse(text)
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new InvalidArgumentError('It must be an address such as http://localhost:3000/webhooks.')
  }
  return url.href
}

/** Options that are given several times. */
export function several(text: string, before: string[] = []): string[] {
  return [...before, text]
}
