import type { FilteredDelivery } from '../contract/shaping.ts'
import type { Queryable } from '../database/database.ts'
import { type Page, type PageRequest, readPage } from '../database/page.ts'

const shown = `row.id, row.webhook_id, row.event_id, row.event_type,
  (SELECT shape.filter FROM postrider.webhook_shapes AS shape WHERE shape.id = row.shape_id) AS filter,
  row.reason, row.created_at`

/** What the filter of a webhook kept back, newest first. */
export function listFiltered(
  queryable: Queryable,
  { projectId, webhookId }: { projectId: string; webhookId: string },
  page: PageRequest,
): Promise<Page<FilteredDelivery>> {
  return readPage<FilteredDelivery>(
    queryable,
    {
      columns: shown,
      from: 'postrider.filtered_deliveries',
      where: ['row.project_id = $1::uuid', 'row.webhook_id = $2::uuid'],
      values: [projectId, webhookId],
    },
    page,
  )
}

/** The webhooks whose filters kept an event back, newest first; at most the first hundred. */
export async function filteredOf(
  queryable: Queryable,
  projectId: string,
  eventId: string,
): Promise<FilteredDelivery[]> {
  const { rows } = await queryable.query<FilteredDelivery>(
    `SELECT ${shown}
     FROM postrider.filtered_deliveries AS row
     WHERE row.project_id = $1::uuid
       AND row.event_id = $2::uuid
     ORDER BY row.created_at DESC, row.id DESC
     LIMIT 100`,
    [projectId, eventId],
  )
  return rows
}
