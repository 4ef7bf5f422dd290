import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { runCommand } from './command.ts'

const bin = resolve(import.meta.dirname, '..', '..', packageJson.bin.postrider)

/** A Node.js of this machine that is too old to run the source, if there is one. */
function oldNode(): string | undefined {
  return process.env['PATH']!.split(delimiter)
    .map((folder) => join(folder, 'node'))
    .filter((file) => existsSync(file))
    .find((file) => Number(/v(\d+)/.exec(execFileSync(file, ['--version']).toString())?.[1]) < 22)
}

test('bin/postrider.js runs the source of a checkout', async () => {
  const { stdout, exitCode } = await runCommand(['--version'], { program: [process.execPath, bin] })
  expect({ stdout, exitCode }).toEqual({ stdout: `${packageJson.version}\n`, exitCode: 0 })
})

test.skipIf(!oldNode())(
  'bin/postrider.js runs with the Node.js of the checkout when the machine’s is too old',
  async () => {
    const program: [string, string] = [oldNode()!, bin]
    const [version, unknown] = await Promise.all([
      runCommand(['--version'], { program }),
      runCommand(['serv'], { program }),
    ])
    expect(version).toEqual({ stdout: `${packageJson.version}\n`, stderr: '', exitCode: 0 })
    expect(unknown).toMatchObject({ stderr: expect.stringContaining("unknown command 'serv'"), exitCode: 2 })
  },
)
