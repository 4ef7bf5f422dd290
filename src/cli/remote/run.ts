import type { Config } from '../../config.ts'
import type { RemoteCall, RemoteCommand } from './declare.ts'
import { Session } from './session.ts'

/** What a command does; answers the exit code. */
export type Run = (session: Session, args: string[], options: never) => Promise<number>

/** Each is loaded when it runs. */
const commands: Record<RemoteCommand, () => Promise<Run>> = {
  listen: async () => (await import('./listen.ts')).listen,
  trigger: async () => (await import('./events.ts')).trigger,
  tail: async () => (await import('./tail.ts')).tail,
  'events publish': async () => (await import('./events.ts')).publishEvent,
  'events list': async () => (await import('./events.ts')).listEvents,
  'events show': async () => (await import('./events.ts')).showEvent,
  'events erase': async () => (await import('./events.ts')).eraseEvent,
  'deliveries list': async () => (await import('./deliveries.ts')).listDeliveries,
  'deliveries show': async () => (await import('./deliveries.ts')).showDelivery,
  'deliveries retry': async () => (await import('./retry.ts')).retryDeliveries,
  'webhooks list': async () => (await import('./webhooks.ts')).listWebhooks,
  'webhooks show': async () => (await import('./webhooks.ts')).showWebhook,
  'webhooks create': async () => (await import('./webhooks.ts')).createWebhook,
  'webhooks test': async () => (await import('./webhooks.ts')).testWebhook,
  'webhooks enable': async () => (await import('./webhooks.ts')).enableWebhook,
  'webhooks disable': async () => (await import('./webhooks.ts')).disableWebhook,
  'webhooks rotate-secret': async () => (await import('./webhooks.ts')).rotateSecret,
  'webhooks delete': async () => (await import('./webhooks.ts')).deleteWebhook,
  'types pull': async () => (await import('../types/pull.ts')).pullTypes,
  'types generate': async () => (await import('../types/generate.ts')).generateTypes,
  'types push': async () => (await import('../types/push.ts')).pushTypes,
}

export async function runRemote(config: Config, { command, args, options }: RemoteCall): Promise<number> {
  const run = await commands[command]()
  return run(new Session(config, options), args, options as never)
}
