import { useProjectQuery } from '../api/queries.ts'
import type { Page, PublishedEvent } from '../api/types.ts'
import { Icon } from '../parts/icons.tsx'
import { matches, typesOf, type WebhookFields } from './webhook-form.ts'

/** How many recent events are looked at. */
const looked = 100
const shown = 6

/** Which of the newest events it would get, as it stands in the form. */
export function MatchingEvents({ fields }: { fields: WebhookFields }) {
  const recent = useProjectQuery<Page<'events', PublishedEvent>>('/events', { query: { limit: looked } }).data
    ?.events
  if (!recent || recent.length === 0) return null
  const patterns = typesOf(fields)
  const environment = fields.environment.trim()
  const matching = recent.filter(
    ({ type, application_id, environment_name }) =>
      patterns.some((pattern) => matches(pattern, type)) &&
      (fields.applicationId === '' || fields.applicationId === application_id) &&
      (environment === '' || environment === environment_name),
  )
  const types = [...new Set(matching.map(({ type }) => type))]
  return (
    <div className={matching.length === 0 ? 'matching none' : 'matching'} aria-live="polite">
      <Icon name={matching.length === 0 ? 'warning' : 'delivered'} size={14} />
      <span>
        {matching.length} of the newest {recent.length} events would match
        {types.length > 0 && ': '}
        <span className="mono">{types.slice(0, shown).join(', ')}</span>
        {types.length > shown && ` and ${types.length - shown} more types`}
        {fields.filter.trim() !== '' && ', before the filter'}
      </span>
    </div>
  )
}
