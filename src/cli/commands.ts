import { type Environment, loadConfig } from './environment.ts'
import type { Commands } from './program.ts'

/**
 * The commands over this process's environment, directory and streams. Settings are checked before anything else;
 * what a command needs is loaded when it runs, so that `--help` need not wait for a server it does not start.
 */
export function commandsOf(env: Environment, directory: string): Commands {
  return {
    async serve(parts) {
      const config = loadConfig(env, directory)
      const { serve } = await import('./serve.ts')
      return serve(config, parts)
    },
    async migrate(action, to) {
      const config = loadConfig(env, directory)
      const { runMigrate } = await import('./migrate.ts')
      return runMigrate(config, { action, to, print: (line) => process.stdout.write(`${line}\n`) })
    },
    async partition() {
      const config = loadConfig(env, directory)
      const { runPartition } = await import('./partition.ts')
      return runPartition(config, (line) => process.stdout.write(`${line}\n`))
    },
    async keys(action) {
      const given = loadConfig(env, directory)
      const { announceKey, completeKeys } = await import('./keys.ts')
      const { runKeys } = await import('./key-rotation.ts')
      const config = await completeKeys(given, { needed: ['encryptionKeys'], onNewKey: announceKey })
      return runKeys(config, { action, print: (line) => process.stdout.write(`${line}\n`) })
    },
    async inviteOwner() {
      const config = loadConfig(env, directory)
      const { inviteOwner } = await import('./owner-link.ts')
      return inviteOwner(config)
    },
    async doctor({ json }) {
      const { runDoctor } = await import('./doctor/doctor.ts')
      return runDoctor({ env, directory, json, print: (line) => process.stdout.write(`${line}\n`) })
    },
    async moveTo(url) {
      const config = loadConfig(env, directory)
      const { runMoveTo } = await import('./move-to.ts')
      return runMoveTo(config, { to: url, print: (line) => process.stdout.write(`${line}\n`) })
    },
    async psql(args) {
      const config = loadConfig(env, directory)
      const { runPsql } = await import('./psql.ts')
      return runPsql(config, args, env)
    },
    async psqlUrl() {
      const config = loadConfig(env, directory)
      const { printConnectionString } = await import('./psql.ts')
      return printConnectionString(config)
    },
    async demo(options) {
      const config = loadConfig(env, directory)
      const { runDemo } = await import('./demo/demo.ts')
      return runDemo(config, options)
    },
    async remote(call) {
      const config = loadConfig(env, directory)
      const { runRemote } = await import('./remote/run.ts')
      return runRemote(config, call)
    },
  }
}
