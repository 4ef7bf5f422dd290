import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { runCommand } from './command.ts'

test.each(['bash', 'zsh', 'fish', 'powershell'])('prints a script for %s', async (shell) => {
  const { stdout, stderr, exitCode } = await runCommand(['completion', shell])
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 })
  expect(stdout).toContain('postrider')
})

test('bash completes without its package bash-completion, too', async () => {
  const { stdout: script } = await runCommand(['completion', 'bash'])
  const typed = ['postrider', 'del']
  // What the script asks is answered here: this is about the words that it asks with.
  const lines = [
    `postrider() { [[ "$*" == 'complete -- del' ]] && printf 'deliveries\\tof a project\\n:4\\n'; }`,
    script,
    `COMP_WORDS=(${typed.join(' ')}) COMP_CWORD=1`,
    'compopt() { :; }',
    '__postrider_complete',
    'echo "completed: ${COMPREPLY[*]}"',
  ]
  const { stdout, stderr } = spawnSync('bash', ['--norc', '--noprofile'], {
    input: lines.join('\n'),
    encoding: 'utf8',
  })
  expect({ stdout, stderr }).toEqual({ stdout: 'completed: deliveries\n', stderr: '' })
})

test('knows commands, their commands and options', async () => {
  const complete = async (...words: string[]) => (await runCommand(['complete', '--', ...words])).stdout
  const [first, second, option, shell] = await Promise.all([
    complete('de'),
    complete('deliveries', ''),
    complete('deliveries', 'list', '--status', ''),
    runCommand(['completion', 'tcsh']),
  ])
  expect(first).toMatch(/^deliveries\b/m)
  // One line beside each, in a shell.
  expect(second).toMatch(/^retry\tsend deliveries again$/m)
  expect(option).toMatch(/^failed\b/m)
  expect(shell.exitCode).toBe(2)
})
