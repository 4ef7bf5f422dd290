/** Webhooks of services that many use. Words in capitals are for their owner to fill in. */

export interface Preset {
  name: 'github' | 'slack' | 'discord'
  title: string
  description: string
  url: string
  headers: Record<string, string>
  payload_template: unknown
}

export const presets: readonly Preset[] = [
  {
    name: 'github',
    title: 'GitHub Actions',
    description:
      'Starts workflows with `on: repository_dispatch` and `types: [config.deployed]`. Fill in OWNER and REPO in the URL, and TOKEN in the header `authorization`: it needs write access to the contents of the repository. GitHub takes data that is an object with at most 10 members, and types of at most 100 characters.',
    url: 'https://api.github.com/repos/OWNER/REPO/dispatches',
    headers: {
      accept: 'application/vnd.github+json',
      authorization: 'Bearer TOKEN',
      'x-github-api-version': '2022-11-28',
    },
    payload_template: { event_type: '$.type', client_payload: '$.data' },
  },
  {
    name: 'slack',
    title: 'Slack',
    description: 'Posts to the channel of an incoming webhook.',
    url: 'https://hooks.slack.com/services/T000/B000/XXXX',
    headers: {},
    payload_template: {
      text: '$.type',
      blocks: [
        { type: 'section', text: { type: 'plain_text', text: '$.type' } },
        {
          type: 'context',
          elements: [
            { type: 'plain_text', text: '$.timestamp' },
            { type: 'plain_text', text: '$.id' },
          ],
        },
      ],
    },
  },
  {
    name: 'discord',
    title: 'Discord',
    description: 'Posts to the channel of a webhook.',
    url: 'https://discord.com/api/webhooks/ID/TOKEN',
    headers: {},
    payload_template: {
      content: '$.type',
      embeds: [{ title: '$.type', timestamp: '$.timestamp', footer: { text: '$.id' } }],
    },
  },
]
