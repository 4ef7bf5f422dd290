import { commandsOf } from './cli/commands.ts'
import { describeFailure, exitCodes } from './cli/failure.ts'
import { runCommand } from './cli/program.ts'

// Whoever reads our output may go away first, as `postrider demo | head` does: then there is no one to run for.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.kill(process.pid, 'SIGTERM')
})

// What nobody caught is a mistake of ours. Leases and transactions cover what it cuts off; going on does not.
process.on('uncaughtException', crash)
process.on('unhandledRejection', crash)

try {
  process.exitCode = await runCommand(process.argv.slice(2), commandsOf(process.env, process.cwd()))
  // The last output gets out by itself; whatever else is still open has had its time.
  setTimeout(() => process.exit(), 500).unref()
} catch (error) {
  fail(error)
}

/** What a person can do something about needs no stack. */
function fail(error: unknown): never {
  const { message, exitCode } = describeFailure(error)
  process.stderr.write(`postrider: ${message.replaceAll('\n', '\n  ')}\n`)
  if (/^(debug|trace)$/i.test(process.env['POSTRIDER_LOG_LEVEL'] ?? '') && error instanceof Error) {
    process.stderr.write(`${error.stack}\n`)
  }
  process.exit(exitCode)
}

function crash(error: unknown): never {
  process.stderr.write(`postrider: ${error instanceof Error ? error.stack : String(error)}\n`)
  process.exit(exitCodes.failed)
}
