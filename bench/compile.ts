import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/** Postrider is measured as it is published. */
export function compile(): void {
  execFileSync('npm', ['run', 'build'], {
    cwd: join(import.meta.dirname, '..'),
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  process.env['BENCH_COMPILED'] = 'yes'
}
