#!/usr/bin/env -S node --max-semi-space-size=16
// Runs Postrider: in a checkout from its source, in an installed package from its compiled form. A young generation of
// 16 MiB serves a worker under full load as well as the usual one and takes 90 MiB less.
// Plain JavaScript that any Node.js understands, so that one that is too old gets help or a clear word.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'

const fromHere = (path) => fileURLToPath(new URL(path, import.meta.url))
const [major, minor] = process.versions.node.split('.').map(Number)

if (major > 22 || (major === 22 && minor >= 19)) {
  followLauncher()
  const isCheckout = existsSync(fromHere('../src/main.ts'))
  if (isCheckout && servesDashboard(process.argv.slice(2))) {
    const { buildDashboard } = await import('../scripts/dashboard.ts')
    await buildDashboard()
  }
  await import(isCheckout ? '../src/main.ts' : '../dist/main.js')
} else {
  launchWith(fromHere('../node_modules/node/bin/node'))
}

/** In a checkout it is built when its sources changed; a package brings it. */
function servesDashboard([command = 'serve', ...rest]) {
  return ['serve', 'api', 'demo'].includes(command) && !rest.includes('--help') && !rest.includes('-h')
}

/** A checkout has a Node.js of its own, as a development dependency. */
function launchWith(node) {
  if (!existsSync(node)) {
    process.stderr.write(
      `postrider: this is Node.js ${process.versions.node}, and Postrider needs 22.19 or later\n`,
    )
    process.exit(1)
  }
  // The channel tells each side when the other is gone.
  const child = spawn(node, [...process.execArgv, fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, NODE_LAUNCHED_POSTRIDER: '1' },
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    process.stderr.write(`postrider: ${error.message}\n`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]))
}

/** Who kills the launcher means this process: it must not live on, unseen and with the port taken. */
function followLauncher() {
  if (process.env.NODE_LAUNCHED_POSTRIDER !== '1' || !process.channel) return
  delete process.env.NODE_LAUNCHED_POSTRIDER
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
  process.channel.unref()
}
