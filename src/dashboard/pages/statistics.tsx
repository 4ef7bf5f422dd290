import { useMemo } from 'react'
import type { Statistics } from '../api/types.ts'
import { Chart, Legend, type Series } from '../parts/charts.tsx'
import { Card } from '../parts/page.tsx'
import { Ago } from '../parts/time.tsx'
import { count, durationWords, exactCount, percent } from '../parts/words.ts'

/** The figures of a range, for a project or one webhook. */
export function Figures({ statistics: { totals, backlog } }: { statistics: Statistics }) {
  const attempts = totals.delivered + totals.retry + totals.failed
  const isPoor = totals.success_rate !== null && totals.success_rate < 0.95
  return (
    <dl className="figures">
      {totals.published !== null && (
        <Figure
          name="Published"
          value={count(totals.published)}
          detail="events"
          exact={exactCount(totals.published)}
        />
      )}
      <Figure
        name="Attempts"
        value={count(attempts)}
        detail={`${count(totals.delivered)} delivered`}
        exact={exactCount(attempts)}
      />
      <Figure
        name="Success rate"
        value={percent(totals.success_rate)}
        detail={`${count(totals.retry + totals.failed)} failed attempts`}
        isBad={isPoor}
      />
      <Figure
        name="Latency p95"
        value={totals.p95_ms === null ? '–' : durationWords(totals.p95_ms)}
        detail={totals.p50_ms === null ? 'of an attempt' : `half within ${durationWords(totals.p50_ms)}`}
      />
      <Figure
        name="Backlog"
        value={`${count(backlog.count)}${backlog.is_exact ? '' : '+'}`}
        detail="wait now"
        exact={exactCount(backlog.count)}
      />
      <Figure
        name="Oldest due"
        value={backlog.oldest_due_at === null ? 'none' : <Ago at={backlog.oldest_due_at} />}
        detail={backlog.oldest_due_at === null ? 'nothing is late' : 'could be sent since'}
      />
    </dl>
  )
}

interface FigureProps {
  name: string
  value: React.ReactNode
  detail: string
  exact?: string
  isBad?: boolean
}

function Figure({ name, value, detail, exact, isBad }: FigureProps) {
  return (
    <div className="card figure">
      <dt>{name}</dt>
      <dd className={isBad ? 'figure-value red' : 'figure-value'} title={exact}>
        {value}
      </dd>
      <dd className="muted small">{detail}</dd>
    </div>
  )
}

export function StatisticsCharts({ statistics }: { statistics: Statistics }) {
  const { buckets, bucket_seconds } = statistics
  const shown = useMemo(() => {
    const pick = (value: (bucket: Statistics['buckets'][number]) => number | null) => buckets.map(value)
    return {
      times: buckets.map(({ at }) => Date.parse(at) / 1000),
      outcomes: [
        { word: 'Delivered', tone: 'green', values: pick((bucket) => bucket.delivered) },
        { word: 'Failed, tried again', tone: 'amber', values: pick((bucket) => bucket.retry) },
        { word: 'Failed for good', tone: 'red', values: pick((bucket) => bucket.failed) },
      ] satisfies Series[],
      latency: [
        { word: 'p50', tone: 'blue', values: pick((bucket) => bucket.p50_ms) },
        { word: 'p95', tone: 'accent', values: pick((bucket) => bucket.p95_ms), dash: [6, 3] },
        { word: 'p99', tone: 'amber', values: pick((bucket) => bucket.p99_ms), dash: [2, 3] },
      ] satisfies Series[],
      backlog: [
        { word: 'Waiting', tone: 'accent', values: pick((bucket) => bucket.backlog) },
      ] satisfies Series[],
    }
  }, [buckets])
  const { times, outcomes, latency, backlog } = shown
  return (
    <div className="charts">
      <div className="charts-wide">
        <Card title="Attempts" end={<Legend series={outcomes} />}>
          <Chart
            label="Attempts over time: delivered, tried again, failed"
            kind="bars"
            times={times}
            series={outcomes}
            format={count}
            bucketSeconds={bucket_seconds}
            height={190}
          />
        </Card>
      </div>
      <Card title="Latency" end={<Legend series={latency} />}>
        <Chart
          label="Latency of attempts over time: p50, p95, p99"
          kind="lines"
          times={times}
          series={latency}
          format={durationWords}
          bucketSeconds={bucket_seconds}
        />
      </Card>
      <Card title="Backlog" end={<Legend series={backlog} />}>
        <Chart
          label="Deliveries that wait over time"
          kind="area"
          times={times}
          series={backlog}
          format={wholeCount}
          bucketSeconds={bucket_seconds}
        />
      </Card>
    </div>
  )
}

/** Between two whole deliveries there is none. */
function wholeCount(value: number): string {
  return Number.isInteger(value) ? count(value) : ''
}
