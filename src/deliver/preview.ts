import type { Clock } from '../clock.ts'
import { invalidField } from '../contract/errors.ts'
import { type PreviewedShape, ShapePreview } from '../contract/shaping.ts'
import { invalid, validate } from '../contract/validate.ts'
import type { Queryable } from '../database/database.ts'
import { newId } from '../ids.ts'
import { compileShape, shapeComplaints } from '../shape/shape.ts'
import { ShapeError } from '../shape/shape-error.ts'

/** A filter and a template, and the event to try them on; `data` is the JSON text of the sample's. */
export type PreviewRequest = ShapePreview & { data?: string | undefined }

/**
 * Whether an event would be sent, and as what; nothing is sent or stored.
 *
 * @throws {PostriderError} `validation_failed`
 */
export async function previewShape(
  queryable: Queryable,
  projectId: string,
  { data, ...input }: PreviewRequest,
  clock: Clock,
): Promise<PreviewedShape> {
  const preview = validate(ShapePreview, input)
  const errors = shapeComplaints(preview)
  if (errors.length > 0) throw invalid(errors)
  const { payload_template = null, filter = null, event_id, event } = preview
  const envelope = event_id
    ? await publishedEnvelope(queryable, projectId, event_id)
    : await sampleEnvelope(queryable, projectId, { ...sampleOf(event, data), now: clock.now() })
  const shape = compileShape({ payload_template, filter })
  const verdict = shape.judge(envelope)
  const judged = { matches: verdict.matches, reason: verdict.matches ? null : verdict.reason }
  try {
    return { ...judged, body: shape.bodyOf(envelope) }
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error
    return { ...judged, error: error.message, body: 'null' }
  }
}

type Sample = Omit<NonNullable<ShapePreview['event']>, 'data'> & { data: string }

function sampleOf(event: ShapePreview['event'], data: string | undefined): Sample {
  if (!event) throw invalidField('event', 'is missing, or event_id')
  return { ...event, data: data ?? JSON.stringify(event.data ?? null) }
}

async function publishedEnvelope(queryable: Queryable, projectId: string, id: string): Promise<string> {
  const { rows } = await queryable.query<{ payload: string | null }>(
    `SELECT event.payload
     FROM postrider.events AS event
     WHERE event.project_id = $1::uuid
       AND event.id = $2::uuid
       AND event.created_at = (
         SELECT place.created_at
         FROM postrider.event_places AS place
         WHERE place.project_id = $1::uuid
           AND place.id = $2::uuid
       )`,
    [projectId, id],
  )
  if (!rows[0]) throw invalidField('event_id', 'names no event of this project')
  if (rows[0].payload === null) throw invalidField('event_id', 'names an event whose payload has expired')
  return rows[0].payload
}

async function sampleEnvelope(
  queryable: Queryable,
  projectId: string,
  sample: Sample & { now: Date },
): Promise<string> {
  const { rows } = await queryable.query<{ envelope: string }>(
    `SELECT postrider.envelope(
       $1::uuid, $2::uuid, $3::text, $4::jsonb::text, $5::uuid, $6::text, $7::timestamptz
     ) AS envelope`,
    [
      projectId,
      sample.id ?? newId(),
      sample.type,
      sample.data,
      sample.application_id ?? null,
      sample.environment_name ?? null,
      sample.timestamp ?? sample.now,
    ],
  )
  return rows[0]!.envelope
}
