import Type from 'typebox'
import { defineEvents, type EventsOf } from '../../event-types/define.ts'

/** What the demo's application publishes, as it would define it: the server refuses data that does not fit. */

const change = {
  application: Type.String({ minLength: 1, description: 'Whose configuration it is.' }),
  variant: Type.String({ description: 'Which of several that are tried beside each other.' }),
  environment: Type.Enum(['development', 'staging', 'production']),
  config: Type.Object(
    {
      version: Type.Integer({ minimum: 1 }),
      temperature: Type.Number({ minimum: 0, maximum: 2 }),
      max_tokens: Type.Integer({ minimum: 1 }),
    },
    { description: 'The configuration as it is since.' },
  ),
  commit_message: Type.String({ description: 'Why, in the words of whoever changed it.' }),
}

const who = Type.String({ format: 'email', description: 'Who did it.' })

const example = {
  application: 'checkout',
  variant: 'default',
  environment: 'production',
  config: { version: 12, temperature: 0.2, max_tokens: 800 },
  commit_message: 'Answer in the language of the question',
}

export const events = defineEvents({
  'config.deployed': {
    description: 'A configuration went live in an environment.',
    schema: Type.Object({ ...change, deployed_by: who }),
    example: { ...example, deployed_by: 'ada@example.com' },
  },
  'config.committed': {
    description: 'A configuration was changed, and is not deployed yet.',
    schema: Type.Object({ ...change, committed_by: who }),
    example: { ...example, committed_by: 'ada@example.com' },
  },
  'config.reverted': {
    description: 'An environment went back to a configuration from before.',
    schema: Type.Object({ ...change, reverted_by: who }),
    example: { ...example, reverted_by: 'ada@example.com' },
  },
})

export type Events = EventsOf<typeof events>

/** One of these events, as it is published. */
export type DemoEvent = { [Name in keyof Events]: { type: Name; data: Events[Name] } }[keyof Events]
