/** The stages of a configuration on its way to production: what the demo's events tell of. */
export function sampleEvent(number: number): { type: string; data: object } {
  const [type, environment, commitMessage] = samples[number % samples.length]!
  return {
    type,
    data: {
      application: 'checkout',
      variant: 'default',
      environment,
      config: { version: 12 + number, temperature: 0.2, max_tokens: 800 },
      deployed_by: 'ada@example.com',
      commit_message: commitMessage,
    },
  }
}

const samples = [
  ['config.deployed', 'production', 'Answer in the language of the question'],
  ['config.committed', 'development', 'Try a shorter system prompt'],
  ['config.deployed', 'staging', 'Raise the limit for long answers'],
  ['config.reverted', 'production', 'Back to the version of this morning'],
] as const
