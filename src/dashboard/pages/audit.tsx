import { NativeSelect } from '@mantine/core'
import { usePath } from '../api/project.ts'
import { useProjectList } from '../api/queries.ts'
import type { AuditEntry } from '../api/types.ts'
import { Id } from '../parts/copy.tsx'
import { RangeControl, useFilters, useRange, useSince } from '../parts/filters.tsx'
import { Page } from '../parts/page.tsx'
import { Empty, Loading, Problem } from '../parts/states.tsx'
import { type Column, More, Table } from '../parts/table.tsx'
import { Ago } from '../parts/time.tsx'
import { useCurl } from '../parts/webhook-name.tsx'
import { visible } from '../parts/words.ts'

const actions = [
  'webhook.created',
  'webhook.updated',
  'webhook.deleted',
  'api_key.created',
  'api_key.deleted',
  'application.created',
  'application.deleted',
  'delivery.retried',
  'delivery.cancelled',
  'project.updated',
]

export default function Audit() {
  const [filter, set] = useFilters()
  return (
    <Page
      title="Audit log"
      about={<span className="soft">Who changed what. Entries are never changed themselves.</span>}
      actions={<RangeControl />}
    >
      <div className="toolbar">
        <div className="filters" role="group" aria-label="Filters">
          <NativeSelect
            aria-label="Action"
            value={filter('action') ?? ''}
            onChange={(event) => set({ action: event.currentTarget.value })}
            data={[{ value: '', label: 'Any action' }, ...actions]}
          />
        </div>
      </div>
      <Entries />
    </Page>
  )
}

function Entries() {
  const [filter] = useFilters()
  const curl = useCurl()
  const since = useSince(useRange())
  const list = useProjectList<'audit_log', AuditEntry>('audit_log', '/audit-log', {
    query: { action: filter('action'), resource_id: filter('resource'), since, limit: 50 },
  })
  if (list.error && !list.items) return <Problem error={list.error} retry={() => void list.refetch()} />
  if (!list.items) return <Loading rows={10} />
  if (list.items.length === 0) {
    return (
      <Empty
        icon="audit"
        title="Nothing was changed in this time"
        curl={curl('GET', `/audit-log?since=${since}`)}
      >
        Look at a longer range. Whatever is changed, by whoever, is written here. The same as a call:
      </Empty>
    )
  }
  return (
    <div className="card">
      <EntryTable rows={list.items} />
      <More query={list} />
    </div>
  )
}

const actorWords: Record<AuditEntry['actor']['kind'], string> = {
  admin: 'admin key',
  api_key: 'key',
  user: 'person',
  system: 'Postrider',
  sql: 'SQL role',
}

function EntryTable({ rows }: { rows: AuditEntry[] }) {
  const columns: Column<AuditEntry>[] = [
    { name: 'action', head: 'Action', cell: (row) => <span className="mono">{row.action}</span> },
    { name: 'thing', head: 'What', cell: (row) => <Thing entry={row} /> },
    { name: 'change', head: 'Change', isWide: true, cell: (row) => <Change entry={row} /> },
    {
      name: 'actor',
      head: 'Who',
      cell: ({ actor, address }) => (
        <div className="two-lines">
          <span className="anywhere">{visible(actor.name ?? actorWords[actor.kind])}</span>
          <span className="muted small">
            {actor.name ? actorWords[actor.kind] : ''} {address}
          </span>
        </div>
      ),
    },
    { name: 'when', head: 'When', align: 'right', cell: (row) => <Ago at={row.created_at} /> },
  ]
  return <Table label="Audit log" columns={columns} rows={rows} keyOf={({ id }) => id} />
}

function Thing({ entry }: { entry: AuditEntry }) {
  const path = usePath()
  const thing = entry.after ?? entry.before
  const name = thing?.['name'] ?? thing?.['email']
  const id = entry.resource_id
  const pages: Record<string, string> = { webhook: '/webhooks/', delivery: '/deliveries/' }
  const page = entry.resource_type === null ? undefined : pages[entry.resource_type]
  return (
    <div className="two-lines">
      {typeof name === 'string' && <span className="anywhere">{visible(name)}</span>}
      {id !== null && (
        <Id id={id} to={page && !entry.action.endsWith('deleted') ? path(page + id) : undefined} />
      )}
    </div>
  )
}

/** What is different, field by field. */
function Change({ entry: { before, after } }: { entry: AuditEntry }) {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])]
  const shown = before && after ? names : names.filter((name) => !hidden.has(name))
  return (
    <ul className="changes mono">
      {shown.slice(0, 6).map((name) => (
        <li key={name} className="anywhere">
          <span className="muted">{name}: </span>
          {before && after ? (
            <>
              <del>{wordOf(before[name])}</del> → <ins>{wordOf(after[name])}</ins>
            </>
          ) : (
            wordOf((after ?? before)?.[name])
          )}
        </li>
      ))}
      {shown.length > 6 && <li className="muted">and {shown.length - 6} more</li>}
    </ul>
  )
}

/** Of what was made or deleted as a whole, what says little. */
const hidden = new Set([
  'ordered',
  'is_active',
  'id',
  'project_id',
  'created_at',
  'updated_at',
  'name',
  'created_by_id',
])
const longest = 120

function wordOf(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '–')
  return visible(text.length > longest ? `${text.slice(0, longest)}…` : text)
}
