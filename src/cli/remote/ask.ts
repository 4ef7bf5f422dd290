import { createInterface } from 'node:readline/promises'
import { exitCodes, Failure } from '../failure.ts'

/** Asks whether to go on, where there is somebody to ask; `--yes` and scripts have said so. */
export async function confirm(
  question: string,
  { yes = false }: { yes?: boolean | undefined },
): Promise<void> {
  if (yes || !process.stdin.isTTY) return
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await terminal.question(`${question} [y/N] `)
    if (/^y(es)?$/i.test(answer.trim())) return
  } finally {
    terminal.close()
  }
  throw new Failure('nothing was done', { exitCode: exitCodes.failed })
}
