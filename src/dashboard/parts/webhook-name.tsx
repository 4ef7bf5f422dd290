import { Link } from 'wouter'
import { usePath, useProjectId } from '../api/project.ts'
import { useProjectAll } from '../api/queries.ts'
import type { Webhook } from '../api/types.ts'
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

export function curl(method: string, url: string, body?: object): string {
  const lines = [
    `curl${method === 'GET' ? '' : ` -X ${method}`} '${url}'`,
    `-H "Authorization: Bearer $POSTRIDER_KEY"`,
  ]
  if (body)
    lines.push(
      `-H 'Content-Type: application/json'`,
      `-d '${JSON.stringify(body).replaceAll("'", String.raw`'\''`)}'`,
    )
  return lines.join(' \\\n  ')
}
