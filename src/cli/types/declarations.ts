import { Argument, type Command } from 'commander'
import { declareRemote, type RunRemote } from '../remote/declare.ts'

const exitHelp = 'Exit status: as of every command'

/** `postrider types …`: event types between a project, files and code. */
export function declareTypes(group: Command, run: RunRemote): void {
  declareRemote(group, run, {
    command: 'types pull',
    summary: 'write the event types of the project into a file',
    description: 'Writes the event types that the project has into a JSON file, to be kept beside the code.',
  }).option('--out <file>', 'event-types.json by default')

  declareRemote(group, run, {
    command: 'types generate',
    summary: 'write TypeScript of event types',
    description:
      'Writes `Events`, which types publishing and receiving by the names of events, and `PostriderEvent`, what a receiver ' +
      'gets. Of a file, as types pull writes it or a module with defineEvents(), or of what the project has.',
    arguments: [new Argument('[file]', 'without it, the server is asked')],
    help:
      'Examples:\n' +
      '  postrider types generate --out src/events.ts\n' +
      '  postrider types generate event-types.json --out src/events.ts --check\n' +
      `\n${exitHelp}; 1 if --check finds the file out of date.`,
  })
    .option('--out <file>', 'else it is printed')
    .option('--check', 'write nothing, only tell whether the file is up to date')

  declareRemote(group, run, {
    command: 'types push',
    summary: 'bring event types of a file to the project',
    description:
      'Brings the event types that a file defines to the project and tells what is different. Types that the file does not ' +
      'name stay. A change is breaking where data that fitted fits no more (a new required property, fewer types or values, ' +
      'tighter limits), or where receivers may miss something (a property that is gone or optional now, further types).',
    arguments: [new Argument('<file>', 'a module with defineEvents(), or JSON as types pull writes it')],
    help:
      'Examples:\n' +
      '  postrider types push src/events.ts --dry-run\n' +
      '  postrider types push event-types.json --force\n' +
      `\n${exitHelp}; 6 if a change is breaking and --force is missing: then nothing is done.`,
  })
    .option('--dry-run', 'only tell what would be done')
    .option('--force', 'breaking changes, too')
}
