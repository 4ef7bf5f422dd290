import { Argument, Command, CommanderError, InvalidArgumentError } from 'commander'
import { version } from '../version.ts'
import { exitCodes } from './failure.ts'
import type { KeysAction } from './key-rotation.ts'
import type { Migration } from './migrate.ts'
import type { Parts } from './compose.ts'
import { addRemoteCommands } from './remote/declarations.ts'
import type { RemoteCall, RunRemote } from './remote/declare.ts'
import { settingsHelp } from './settings-help.ts'

/** What the commands do; each answers the exit code. */
export interface Commands {
  serve(parts: Parts): Promise<number>
  migrate(action: Migration, to: number | undefined): Promise<number>
  partition(): Promise<number>
  keys(action: KeysAction): Promise<number>
  inviteOwner(): Promise<number>
  doctor(options: { json: boolean }): Promise<number>
  moveTo(url: string): Promise<number>
  psql(args: readonly string[]): Promise<number>
  psqlUrl(): Promise<number>
  demo(options: { once: boolean }): Promise<number>
  remote(call: RemoteCall): Promise<number>
}

/** Reads the command line, runs the command it asks for and answers its exit code. Without a command: `serve`. */
export async function runCommand(args: readonly string[], commands: Commands): Promise<number> {
  let exitCode: number = exitCodes.done
  const answer = async (command: Promise<number>) => {
    exitCode = await command
  }
  const program = buildProgram({
    serve: (parts) => answer(commands.serve(parts)),
    migrate: (action, to) => answer(commands.migrate(action, to)),
    partition: () => answer(commands.partition()),
    keys: (action) => answer(commands.keys(action)),
    inviteOwner: () => answer(commands.inviteOwner()),
    doctor: (options) => answer(commands.doctor(options)),
    moveTo: (url) => answer(commands.moveTo(url)),
    psql: (psqlArgs) => answer(psqlArgs[0] === '--url' ? commands.psqlUrl() : commands.psql(psqlArgs)),
    demo: (options) => answer(commands.demo(options)),
    remote: (call) => answer(commands.remote(call)),
  })
  await addCompletion(program, args)
  try {
    await program.parseAsync(asParsed(args), { from: 'user' })
    return exitCode
  } catch (error) {
    // Commander has told what it is about: help and the version are no mistakes, all else is.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.misused
    throw error
  }
}

function asParsed(args: readonly string[]): readonly string[] {
  if (args.length === 0) return ['serve']
  // What follows `psql` is psql's, in its order: options that we do not know would else be moved to the end.
  const isForPsql = args[0] === 'psql' && args[1] !== '--help' && args[1] !== '--'
  return isForPsql ? ['psql', '--', ...args.slice(1)] : args
}

/** What knows the shells is loaded for them alone. */
async function addCompletion(program: Command, [name]: readonly string[]): Promise<void> {
  if (name === 'completion' || name === 'complete') {
    const completion = await import('./completion.ts')
    completion.addCompletion(program)
  } else {
    program
      .command('completion')
      .summary('completion for bash, zsh, fish or powershell')
      .description('Prints the script that completes commands and options in a shell.')
      .argument('<shell>', 'bash, zsh, fish or powershell')
  }
}

interface Actions {
  serve(parts: Parts): Promise<void>
  migrate(action: Migration, to: number | undefined): Promise<void>
  partition(): Promise<void>
  keys(action: KeysAction): Promise<void>
  inviteOwner(): Promise<void>
  doctor(options: { json: boolean }): Promise<void>
  moveTo(url: string): Promise<void>
  psql(args: readonly string[]): Promise<void>
  demo(options: { once: boolean }): Promise<void>
  remote: RunRemote
}

function buildProgram(actions: Actions): Command {
  const program = new Command('postrider')
    .description(
      "Webhooks for your product, on the PostgreSQL you already have.\nWithout a command: 'serve'.",
    )
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'explain a command')
    .helpCommand('help [command]', 'explain a command')
    .configureHelp({ helpWidth: 100 })
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, 'postrider: ')),
    })
    .showHelpAfterError("'postrider --help' lists the commands")
    .exitOverride()
    .addHelpText('after', programHelp)

  program
    .command('serve')
    .summary('everything in one process')
    .description(
      'Runs the API, the delivery worker, maintenance and the dashboard in one process. ' +
        'Without DATABASE_URL it starts the embedded PostgreSQL first. The schema is brought up to date.',
    )
    .addHelpText('after', `\n${settingsHelp()}\n\n${serveExamples}`)
    .action(() => actions.serve({ api: true, worker: true }))

  program
    .command('api')
    .summary('the API and the dashboard alone')
    .description('Runs the API and the dashboard without a delivery worker; run as many as you like.')
    .addHelpText('after', "\nThe settings are those of 'postrider serve --help'.")
    .action(() => actions.serve({ api: true, worker: false }))

  program
    .command('worker')
    .summary('the delivery worker and maintenance alone')
    .description(
      'Delivers and maintains; run as many as you like. It listens on no port, unless POSTRIDER_METRICS_PORT names ' +
        'one for /metrics, /healthz and /readyz.',
    )
    .addHelpText(
      'after',
      "\nThe settings are those of 'postrider serve --help'; POSTRIDER_ADMIN_KEY is not needed.",
    )
    .action(() => actions.serve({ api: false, worker: true }))

  program
    .command('migrate')
    .summary('schema migrations: up, down or status')
    .description(
      "Moves the schema of the database in use. 'serve', 'api' and 'worker' run 'up' by themselves, under a lock.",
    )
    .addArgument(
      new Argument('[action]', 'up: all that is pending; down: one step back; status: only look')
        .choices(['up', 'down', 'status'])
        .default('up'),
    )
    .option(
      '--to <version>',
      'last migration to be there afterwards; 0 removes all, with their data',
      versionNumber,
    )
    .action((action: Migration, { to }: { to?: number }) => actions.migrate(action, to))

  program
    .command('partition')
    .summary('partitions the history by time, while everything goes on')
    .description(
      'For an installation whose history is older than partitions: deliveries, attempts and events become tables with a ' +
        'partition for each day, so that what is old is dropped instead of deleted row by row. The tables that are there ' +
        'become the first partition. Servers and workers go on meanwhile; what is cut off is begun again. An installation ' +
        'that was empty when it was migrated is partitioned already.',
    )
    .action(() => actions.partition())

  program
    .command('keys')
    .summary('encryption keys: rotate or status')
    .description(
      'Tells how many stored values each key of POSTRIDER_ENCRYPTION_KEYS is needed for, and with rotate first ' +
        'encrypts all of them with the newest key, the one in front. Servers and workers go on meanwhile.',
    )
    .addArgument(
      new Argument('<action>', 'rotate: encrypt everything with the newest key; status: only look').choices([
        'rotate',
        'status',
      ]),
    )
    .addHelpText('after', keysExamples)
    .action((action: KeysAction) => actions.keys(action))

  program
    .command('users')
    .summary('users: invite-owner')
    .description(
      'Makes a link, good for one use within 24 hours, that makes whoever opens it the owner: may do everything. ' +
        'Each start makes one by itself as long as there is no owner. With the email of a user there is, it sets ' +
        'a new password.',
    )
    .addArgument(new Argument('<action>', 'invite-owner: make the link').choices(['invite-owner']))
    .action(() => actions.inviteOwner())

  program
    .command('doctor')
    .summary('looks for what is wrong and says what to do')
    .description(
      'Checks the settings, the database, its migrations and keys, clocks, connections, the address guard and the ' +
        'disk, and says what to do about what it finds. It changes nothing, but an embedded database that does not ' +
        'run is started for as long as it looks.',
    )
    .option('--json', 'print one JSON object: {"findings": [{state, subject, message, remedy?}]}')
    .addHelpText('after', '\nExit status: 1 if there is a problem; warnings alone are 0.')
    .action(({ json = false }: { json?: boolean }) => actions.doctor({ json }))

  program
    .command('move-to')
    .summary('moves everything to another database')
    .description(
      'Copies everything in the database in use, such as the embedded one, into an empty database of another server, and ' +
        'says what to set. Stop Postrider first. The old database is only read.',
    )
    .argument('<url>', 'the new database, such as postgresql://user@host:5432/database')
    .addHelpText('after', moveExamples)
    .action((url: string) => actions.moveTo(url))

  program
    .command('psql')
    .summary('psql on the database in use')
    .description(
      "Opens psql, which gets ARGS as they are, and answers with psql's exit status. " +
        'An embedded database that does not run is started for as long as the session lasts. ' +
        'Where there is no psql, the connection string is printed.',
    )
    .usage('[--url] [ARGS...]')
    .helpOption('--help', 'explain this command')
    .option('--url', 'print the connection string and nothing else')
    .argument('[args...]', 'for psql')
    .addHelpText('after', psqlExamples)
    .action((args: string[]) => actions.psql(args))

  program
    .command('demo')
    .summary('the whole journey on this machine, step by step')
    .description(
      'Starts everything and a local receiver in a temporary directory, creates a project and a webhook, ' +
        "publishes 'config.deployed' and shows the delivery arrive with its signature verified. " +
        'Then it stays up, with a new event every few seconds, until Ctrl-C.',
    )
    .option('--once', 'exit after the first delivery: 0 if it arrived, 1 if not')
    .action(({ once = false }: { once?: boolean }) => actions.demo({ once }))

  program.commandsGroup('On a running server:')
  addRemoteCommands(program, actions.remote)
  program.commandsGroup('Shell:')
  return program
}

function versionNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It must be the number of a migration.')
  return Number(text)
}

const programHelp = `
Examples:
  postrider demo                               see it work, with nothing else on the machine
  postrider                                    run it here, with the embedded PostgreSQL
  DATABASE_URL=postgresql://… postrider        run it on a database of your own
  postrider psql -c 'TABLE postrider.webhooks' look at the data
  postrider listen --forward-to http://localhost:3000/webhooks
                                               receive its events here while you develop

'postrider serve --help' lists every setting.

Exit status:
  0      done, or stopped by a signal after finishing what was under way
  1      something failed
  2      the command, what it was given, or a setting is wrong
  3      no server answers
  4      the key is not known, or may not do this
  5      there is no such thing
  6      the state of the thing does not allow it
  128+n  ended at once by a second signal (130 for Ctrl-C)`

const serveExamples = `Examples:
  POSTRIDER_PORT=9000 postrider serve
  POSTRIDER_ALLOW_HTTP=true POSTRIDER_ALLOW_PRIVATE=127.0.0.0/8 postrider serve

SIGTERM, SIGINT or SIGHUP stops it: what is under way is finished, within 20 s. A second one ends it at once.`

const keysExamples = `
A new key comes in, and an old one goes, without a delivery that fails:
  1. POSTRIDER_ENCRYPTION_KEYS=k1:…,k2:…   the new key behind the old one, in every process: all can read it
  2. POSTRIDER_ENCRYPTION_KEYS=k2:…,k1:…   the new key in front, in every process: all encrypt with it
  3. postrider keys rotate                 with the same setting; again, if it was interrupted
  4. POSTRIDER_ENCRYPTION_KEYS=k2:…        once it says that k1 is no longer needed
Where one process does everything, the first step may be left out.
openssl rand -base64 32 makes a key. Backups from before still need the old one.`

const moveExamples = `
Example:
  PGPASSWORD=… postrider move-to postgresql://postrider@db.internal:5432/postrider

What stands on a command line can be read by others on this machine: the password may come as PGPASSWORD instead.
Keys are not in the database. They stay as they are, and are needed with the new one as well.`

const psqlExamples = `
Examples:
  postrider psql
  postrider psql -c "SELECT status, count(*) FROM postrider.webhook_deliveries GROUP BY 1"
  pg_dump "$(postrider psql --url)" > backup.sql`
