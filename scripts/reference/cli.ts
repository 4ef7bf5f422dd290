import { type Commands, runCommand } from '../../src/cli/program.ts'

/** Every command with its help, as the program itself writes it. */
export async function cliPage(): Promise<string> {
  const sections: string[] = []
  const commands: string[][] = [[]]
  // Those that hold others are longer after it.
  for (const command of commands) {
    const help = await helpOf(command)
    commands.push(...commandsIn(help).map((name) => [...command, name]))
    sections.push(`## ${['postrider', ...command].join(' ')}\n\n\`\`\`text\n${help.trim()}\n\`\`\``)
  }
  return `# Command line

What \`postrider --help\` and \`postrider COMMAND --help\` say. [Command line](../command-line.md) shows the commands at work.

${sections.join('\n\n')}
`
}

async function helpOf(command: readonly string[]): Promise<string> {
  let text = ''
  const write = process.stdout.write.bind(process.stdout)
  process.stdout.write = (chunk: string | Uint8Array) => {
    text += chunk.toString()
    return true
  }
  try {
    await runCommand([...command, '--help'], {} as Commands)
  } finally {
    process.stdout.write = write
  }
  // Settings have a page of their own.
  return text.replace(/\nSettings are environment variables[\s\S]*?(?=\nExamples:)/, '\n')
}

/** Commander lists them below `Commands:` and further headings, each with two spaces before it. */
function commandsIn(help: string): string[] {
  const [, lists = ''] = /\nCommands:\n([\s\S]*?)(?:\nExamples:|$)/.exec(help) ?? []
  return Array.from(lists.matchAll(/^ {2}(\S+)/gm), ([, name]) => name!).filter((name) => name !== 'help')
}
