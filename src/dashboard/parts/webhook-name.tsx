import { Link } from 'wouter'
import { usePath, useProjectId } from '../api/project.ts'
import { useProjectAll } from '../api/queries.ts'
import type { Webhook } from '../api/types.ts'
import { curl } from './curl.ts'
import { shortId } from './words.ts'

/** Of the project, by id: for names beside ids and for choices. */
export function useWebhooks(): Map<string, Webhook> {
  const { data } = useProjectAll<'webhooks', Webhook>('webhooks', '/webhooks')
  return new Map((data ?? []).map((webhook) => [webhook.id, webhook]))
}

export function WebhookName({ id, name }: { id: string; name: string | undefined }) {
  const path = usePath()
  return (
    <Link href={path(`/webhooks/${id}`)} className="plain-link truncate" title={name}>
      {name ?? <span className="mono">{shortId(id)}</span>}
    </Link>
  )
}

/** A command that makes a call of this project, for those who copy it. */
export function useCurl(): (method: string, path: string, body?: object) => string {
  const projectId = useProjectId()
  return (method, path, body) =>
    curl(method, `${new URL('.', document.baseURI).href}api/projects/${projectId}${path}`, body)
}
