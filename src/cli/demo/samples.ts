import type { DemoEvent } from './event-types.ts'

/** The stages of a configuration on its way to production: what the demo's events tell of. */
export function sampleEvent(number: number): DemoEvent {
  const sample = samples[number % samples.length]!
  const config = { version: 12 + number, temperature: 0.2, max_tokens: 800 }
  return { ...sample, data: { ...sample.data, config } } as DemoEvent
}

const common = {
  application: 'checkout',
  variant: 'default',
  config: { version: 12, temperature: 0.2, max_tokens: 800 },
}
const ada = 'ada@example.com'

const samples: readonly DemoEvent[] = [
  {
    type: 'config.deployed',
    data: {
      ...common,
      environment: 'production',
      deployed_by: ada,
      commit_message: 'Answer in the language of the question',
    },
  },
  {
    type: 'config.committed',
    data: {
      ...common,
      environment: 'development',
      committed_by: ada,
      commit_message: 'Try a shorter system prompt',
    },
  },
  {
    type: 'config.deployed',
    data: {
      ...common,
      environment: 'staging',
      deployed_by: ada,
      commit_message: 'Raise the limit for long answers',
    },
  },
  {
    type: 'config.reverted',
    data: {
      ...common,
      environment: 'production',
      reverted_by: ada,
      commit_message: 'Back to the version of this morning',
    },
  },
]
