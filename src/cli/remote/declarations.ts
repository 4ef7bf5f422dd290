import { Argument, type Command, Option } from 'commander'
import { declareTypes } from '../types/declarations.ts'
import {
  declareGroup,
  declareRemote,
  moment,
  type RunRemote,
  several,
  webAddress,
  wholeNumber,
} from './declare.ts'

const dataHelp = 'Data is JSON, @FILE for that of a file, or - for that of stdin. Without --data it is {}.'

export function addRemoteCommands(program: Command, run: RunRemote): void {
  declareListening(program, run)
  declareEvents(declareGroup(program, 'events', 'publish, list and show events'), run)
  declareDeliveries(declareGroup(program, 'deliveries', 'list, show and retry deliveries'), run)
  declareWebhooks(declareGroup(program, 'webhooks', 'list, create, test and change webhooks'), run)
  declareTypes(declareGroup(program, 'types', 'event types between the project, files and code'), run)
}

function declareListening(program: Command, run: RunRemote): void {
  declareRemote(program, run, {
    command: 'listen',
    summary: 'forward events to this machine while you develop',
    description:
      'Receives the events of the project over an outgoing connection and forwards each to a URL that only this machine ' +
      'reaches, signed as deliveries are, with a secret of its own that stays the same. On a terminal r sends the last ' +
      'event again, arrows or its number choose another, q ends.',
    help: 'Example:\n  postrider listen --forward-to http://localhost:3000/webhooks --types "config.*"',
  })
    .requiredOption(
      '--forward-to <url>',
      'where events go, such as http://localhost:3000/webhooks',
      webAddress,
    )
    .option('--types <types>', 'only these, comma-separated: config.deployed,user.*')
    .option('--secret <secret>', 'what signs, whsec_…; else one that is kept in POSTRIDER_DATA_DIR')

  declareRemote(program, run, {
    command: 'trigger',
    summary: 'publish the example of an event type',
    description:
      'Publishes the example that the event type was registered with, else the first of its schema, or --data.',
    arguments: [new Argument('<type>', 'such as config.deployed')],
    help: dataHelp.replace(/ Without.*/, ''),
  }).option('--data <json>', 'instead of the example')

  declareRemote(program, run, {
    command: 'tail',
    summary: 'watch deliveries as they happen',
    description: 'A line for each delivery that is created and each attempt, until Ctrl-C.',
  })
    .option('--webhook <id>', 'only of this webhook')
    .option('--type <type>', 'only of this event type')
}

function declareEvents(group: Command, run: RunRemote): void {
  declareRemote(group, run, {
    command: 'events publish',
    summary: 'publish an event',
    arguments: [new Argument('<type>', 'such as config.deployed')],
    help: `${dataHelp}\nThe same --id again creates nothing.`,
  })
    .option('--data <json>', 'what the event says')
    .option('--id <uuid>', 'its idempotency key')
    .option('--timestamp <time>', 'when it happened; now by default', moment)
    .option('--application <id>', 'where it comes from')
    .option('--environment <name>', 'where it comes from')

  declareRemote(group, run, { command: 'events list', summary: 'list events, newest first' })
    .option('--type <type>', 'only of this type')
    .option('--since <time>', 'published then or later: a time, or 15m, 2h, 7d ago', moment)
    .option('--until <time>', 'published before', moment)
    .addOption(limit())

  declareRemote(group, run, {
    command: 'events show',
    summary: 'show an event with its payload and deliveries',
    arguments: [new Argument('<id>')],
  })

  declareRemote(group, run, {
    command: 'events erase',
    summary: 'erase an event with all that came of it',
    description:
      'Erases an event everywhere: its payload, deliveries, attempts and answers, and what waits to be sent. It cannot be undone.',
    arguments: [new Argument('<id>')],
  }).option('--yes', 'do not ask')
}

function declareDeliveries(group: Command, run: RunRemote): void {
  addFilter(
    declareRemote(group, run, { command: 'deliveries list', summary: 'list deliveries, newest first' })
      .addOption(new Option('--status <status>').choices(['pending', 'delivering', 'delivered', 'failed']))
      .option('--event <id>', 'only of this event'),
  ).addOption(limit())

  declareRemote(group, run, {
    command: 'deliveries show',
    summary: 'show a delivery with its payload and attempts',
    arguments: [new Argument('<id>')],
  })

  addFilter(
    declareRemote(group, run, {
      command: 'deliveries retry',
      summary: 'send deliveries again',
      description:
        'Sends the deliveries with these ids again, or, by a filter, all that match: failed ones, or those of --status. ' +
        'Many are done in the background by the server; the command waits until they are queued.',
      arguments: [new Argument('[ids...]')],
      help: 'Example:\n  postrider deliveries retry --webhook 019a… --since 2h --dry-run',
    }).addOption(new Option('--status <status>').choices(['failed', 'delivered'])),
  )
    .option('--all', 'all that failed, without a filter')
    .option('--dry-run', 'only count')
    .option('--yes', 'do not ask')
    .option('--no-wait', 'do not wait for the end')
}

function declareWebhooks(group: Command, run: RunRemote): void {
  const id = () => new Argument('<id>')
  declareRemote(group, run, { command: 'webhooks list', summary: 'list webhooks, newest first' }).addOption(
    limit(),
  )
  declareRemote(group, run, { command: 'webhooks show', summary: 'show a webhook', arguments: [id()] })
  declareRemote(group, run, {
    command: 'webhooks create',
    summary: 'create a webhook',
    description: 'Creates a webhook and prints its secret, which is shown this once.',
    arguments: [new Argument('<url>', 'where events are sent')],
    help: "Example:\n  postrider webhooks create https://example.com/webhooks --types 'config.*,user.created'",
  })
    .option('--name <name>', 'by default the host of the URL')
    .option('--types <types>', 'comma-separated; all by default')
    .option('--description <text>')
    .option('--application <id>', 'only events of this application')
    .option('--environment <name>', 'only events of this environment')
    .option('--filter <cel>', 'only events for which this is true: event.data.total > 100')
    .option('--template <json>', 'the payload_template: JSON, or @FILE for that of a file')
    .option('--header <name:value>', 'added to each request; may be given several times', several)
    .option('--secret <secret>', 'one of yours, whsec_…')
    .option('--inactive', 'it gets nothing until it is enabled')
    .option('--operational', 'it gets what Postrider tells of itself, and nothing else')

  declareRemote(group, run, {
    command: 'webhooks test',
    summary: 'send a test event now',
    description: 'Sends one event now and tells what came back. Exit status 1 if that was not 2xx.',
    arguments: [id()],
    help: dataHelp.replace(/ Without.*/, ''),
  })
    .option('--type <type>', 'webhook.test by default')
    .option('--data <json>', 'what the event says')
  declareRemote(group, run, {
    command: 'webhooks enable',
    summary: 'make a webhook active',
    description: 'Makes a webhook active. What waited for it and is not too old is sent.',
    arguments: [id()],
  })
  declareRemote(group, run, {
    command: 'webhooks disable',
    summary: 'make a webhook inactive',
    arguments: [id()],
  })
  declareRemote(group, run, {
    command: 'webhooks rotate-secret',
    summary: 'replace the secret of a webhook',
    description: 'Makes a new secret and prints it, this once. For a while the one before signs too.',
    arguments: [id()],
  }).option(
    '--overlap-seconds <n>',
    'how long both sign; 86400 by default, 0 ends it at once',
    wholeNumber(0, 604_800),
  )
  declareRemote(group, run, {
    command: 'webhooks delete',
    summary: 'delete a webhook with the history of its deliveries',
    arguments: [id()],
  }).option('--yes', 'do not ask')
}

function addFilter(command: Command): Command {
  return command
    .option('--webhook <id>', 'only of this webhook')
    .option('--type <type>', 'only of this event type')
    .addOption(
      new Option('--code <class>', 'by what was answered last').choices(['2xx', '3xx', '4xx', '5xx', 'none']),
    )
    .option('--since <time>', 'created then or later: a time, or 15m, 2h, 7d ago', moment)
    .option('--until <time>', 'created before', moment)
}

function limit(): Option {
  return new Option('--limit <n>', 'how many at most').argParser(wholeNumber(1, 100_000)).default(50)
}
