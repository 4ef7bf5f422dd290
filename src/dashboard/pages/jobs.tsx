import { Button, Modal } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { ApiError, call } from '../api/client.ts'
import { useProjectId } from '../api/project.ts'
import { useProjectChange, useProjectQuery } from '../api/queries.ts'
import type { AcceptedJob, Job, JobFilter, JobKind, Page } from '../api/types.ts'
import { Icon } from '../parts/icons.tsx'
import { tell, tellError } from '../parts/toasts.tsx'
import { exactCount, plural } from '../parts/words.ts'
import { useMay } from '../shell/project.ts'

const words: Record<JobKind, { will: (many: string) => string; doing: string; did: string }> = {
  retry: {
    will: (many) => `${many} will be sent again, each with a full schedule of tries.`,
    doing: 'Sending again',
    did: 'Sent again',
  },
  cancel: {
    will: (many) => `${many} will be cancelled: they are failed then and not sent any more.`,
    doing: 'Cancelling',
    did: 'Cancelled',
  },
  send_waiting_now: {
    will: (many) => `${many} will be sent now instead of at their next try.`,
    doing: 'Sending what waits',
    did: 'Sent what waited',
  },
  backfill: {
    will: (many) => `${many} will be made of past events that this webhook would get today.`,
    doing: 'Backfilling',
    did: 'Backfilled',
  },
}

interface JobButtonProps {
  kind: JobKind
  filter: JobFilter
  word: string
  isDanger?: boolean
  onStarted?: () => void
}

/** Asks how many there are before it does anything. */
export function JobButton({ kind, filter, word, isDanger = false, onStarted }: JobButtonProps) {
  const [isOpen, setOpen] = useState(false)
  return (
    <>
      <Button variant="default" onClick={() => setOpen(true)}>
        {word} …
      </Button>
      <Modal opened={isOpen} onClose={() => setOpen(false)} title={word} size={440}>
        {isOpen && (
          <Confirm
            kind={kind}
            filter={filter}
            word={word}
            isDanger={isDanger}
            onStarted={onStarted}
            close={() => setOpen(false)}
          />
        )}
      </Modal>
    </>
  )
}

interface ConfirmProps extends JobButtonProps {
  close: () => void
}

function Confirm({ kind, filter, word, isDanger = false, onStarted, close }: ConfirmProps) {
  const projectId = useProjectId()
  const counted = useQuery({
    queryKey: [projectId, 'count', kind, filter],
    queryFn: () =>
      call<AcceptedJob>('POST', `/projects/${projectId}/jobs`, { body: { kind, filter, dry_run: true } }),
    gcTime: 0,
  })
  const start = useProjectChange<void, AcceptedJob>(async (send) => {
    const accepted = await send<AcceptedJob>('POST', '/jobs', { kind, filter })
    // Here, since what it is for may be gone from the page by the time that is asked for again.
    tell(`${word}: started`)
    onStarted?.()
    close()
    return accepted
  })
  const many = counted.data && manyWords(counted.data)
  return (
    <div className="stack">
      <p className="soft">
        {counted.error
          ? counted.error.message
          : counted.data === undefined
            ? 'Counting …'
            : counted.data.count === 0
              ? 'Nothing matches: there is nothing to do.'
              : words[kind].will(many!)}
      </p>
      <div className="row end">
        <Button variant="default" onClick={close}>
          Close
        </Button>
        <Button
          color={isDanger ? 'red' : undefined}
          disabled={!counted.data || counted.data.count === 0}
          loading={start.isPending}
          onClick={() => start.mutate(undefined, { onError: tellError })}
        >
          {word}
          {counted.data && counted.data.count > 0
            ? ` (${exactCount(counted.data.count)}${counted.data.count_is_exact ? '' : '+'})`
            : ''}
        </Button>
      </div>
    </div>
  )
}

function manyWords({ count, count_is_exact }: AcceptedJob): string {
  const many = plural(count, 'delivery', 'deliveries')
  return count_is_exact ? many : `More than ${many}`
}

/** How long a finished one is still shown. */
const shownMs = 20_000

/** What runs now, with how far it is, and what has just finished. */
export function RunningJobs() {
  const asked = useProjectQuery<Page<'jobs', Job>>('/jobs', { query: { limit: 5 }, everyMs: 1_500 })
  const stop = useProjectChange<string, undefined>((send, id) => send('DELETE', `/jobs/${id}`))
  const mayManage = useMay('manage')
  const shown = (asked.data?.jobs ?? []).filter(
    ({ status, finished_at }) =>
      status === 'running' || (finished_at !== null && Date.now() - Date.parse(finished_at) < shownMs),
  )
  if (shown.length === 0 || asked.error instanceof ApiError) return null
  return (
    <ul className="jobs">
      {shown.map((job) => (
        <li className="card job" key={job.id}>
          <Icon name={job.status === 'running' ? 'jobs' : 'delivered'} />
          <span className="strong">
            {job.status === 'running' ? words[job.kind].doing : words[job.kind].did}
          </span>
          <progress
            className="grow"
            aria-label={words[job.kind].doing}
            max={Math.max(job.count, job.done, 1)}
            value={job.status === 'running' ? job.done : Math.max(job.count, job.done, 1)}
          />
          <span className="num soft">
            {exactCount(job.done)} of {exactCount(job.count)}
            {job.count_is_exact ? '' : '+'}
            {job.status === 'stopped' || job.status === 'failed' ? ` · ${job.status}` : ''}
          </span>
          {job.status === 'running' && mayManage && (
            <Button variant="subtle" onClick={() => stop.mutate(job.id, { onError: tellError })}>
              Stop
            </Button>
          )}
        </li>
      ))}
    </ul>
  )
}
