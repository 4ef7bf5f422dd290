import { useComputedColorScheme } from '@mantine/core'
import { useElementSize } from '@mantine/hooks'
import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { Tone } from './status.tsx'

export interface Series {
  word: string
  tone: Tone | 'accent'
  values: (number | null)[]
  /** Line style, so that lines are told apart without their colours. */
  dash?: number[]
}

interface ChartProps {
  /** What a screen reader says of it. */
  label: string
  /** Unix seconds, each the beginning of a bucket. */
  times: number[]
  series: Series[]
  kind: 'bars' | 'lines' | 'area'
  format: (value: number) => string
  height?: number
  bucketSeconds: number
}

/** A chart over time: bars that stand on each other, lines or an area. Hovering shows the figures of a bucket. */
export function Chart({ label, times, series, kind, format, height = 170, bucketSeconds }: ChartProps) {
  const { ref, width } = useElementSize<HTMLDivElement>()
  const place = useRef<HTMLDivElement>(null)
  const scheme = useComputedColorScheme('light')
  useEffect(() => {
    if (!place.current || width === 0) return undefined
    const options = optionsOf({ series, kind, format, width, height, bucketSeconds })
    const plot = new uPlot(options, dataOf(times, series, kind), place.current)
    return () => plot.destroy()
    // Drawn anew in the other colours too.
  }, [times, series, kind, format, width, height, bucketSeconds, scheme])
  return (
    <figure className="chart" ref={ref}>
      <div ref={place} role="img" aria-label={label} style={{ minHeight: height }} />
    </figure>
  )
}

export function Legend({ series }: { series: Pick<Series, 'word' | 'tone' | 'dash'>[] }) {
  return (
    <ul className="legend">
      {series.map(({ word, tone, dash }) => (
        <li key={word}>
          <span className={`legend-mark ${tone}${dash ? ' dashed' : ''}`} aria-hidden="true" />
          {word}
        </li>
      ))}
    </ul>
  )
}

/** Bars stand on each other: what is drawn for one is the sum up to it. */
function dataOf(times: number[], series: Series[], kind: ChartProps['kind']): uPlot.AlignedData {
  if (kind !== 'bars') return [times, ...series.map(({ values }) => values)]
  const sums = times.map(() => 0)
  const stacked = series.map(({ values }) => values.map((value, index) => (sums[index]! += value ?? 0)))
  // The highest is drawn first, and the lower ones over it.
  return [times, ...stacked.toReversed()]
}

function optionsOf({
  series,
  kind,
  format,
  width,
  height,
  bucketSeconds,
}: Omit<ChartProps, 'label' | 'times' | 'height'> & { width: number; height: number }): uPlot.Options {
  const color = (name: string) =>
    getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
  const drawn = kind === 'bars' ? series.toReversed() : series
  const font = `11px Inter, sans-serif`
  const grid = { stroke: color('line'), width: 1 }
  return {
    width,
    height,
    padding: [8, 14, 0, 0],
    legend: { show: false },
    // As the buckets begin, and as every moment is told.
    tzDate: (at) => uPlot.tzDate(new Date(at * 1000), 'Etc/UTC'),
    cursor: { y: false, points: { show: kind !== 'bars', size: 6 }, drag: { x: false, y: false } },
    scales: {
      x: {
        time: true,
        // A bucket is as wide as it lasts: the last one ends where the range does.
        range: (_plot, min, max) => [min, max + (kind === 'bars' ? bucketSeconds : 0)],
      },
      y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.1 : 1] },
    },
    axes: [
      {
        stroke: color('text-3'),
        font,
        grid: { show: false },
        ticks: { show: false },
        size: 24,
        gap: 4,
        space: 70,
        values: (_plot, splits) => splits.map((at) => tickWord(at, bucketSeconds)),
      },
      {
        stroke: color('text-3'),
        font,
        grid,
        ticks: { show: false },
        size: 52,
        gap: 6,
        space: 36,
        values: (_plot, splits) => splits.map((value) => format(value)),
      },
    ],
    series: [
      {},
      ...drawn.map(({ word, tone, dash }): uPlot.Series => {
        const stroke = color(tone === 'accent' ? 'accent' : `${tone}-mark`)
        if (kind === 'bars') {
          return {
            label: word,
            fill: stroke,
            width: 0,
            paths: uPlot.paths.bars!({ size: [0.72, 22], radius: 0.12, align: 1 }),
            points: { show: false },
          }
        }
        return {
          label: word,
          stroke,
          width: 1.6,
          ...(dash && { dash }),
          ...(kind === 'area' && { fill: `${stroke}22` }),
          spanGaps: false,
          points: { show: kind === 'lines' ? undefined : false, size: 4 },
        }
      }),
    ],
    plugins: [tooltip({ series, format, bucketSeconds })],
  }
}

function tickWord(at: number, bucketSeconds: number): string {
  const date = new Date(at * 1000)
  const isMidnight = at % 86_400 === 0
  return bucketSeconds >= 10_800 || (isMidnight && bucketSeconds > 300)
    ? date.toLocaleDateString('en', { day: 'numeric', month: 'short', timeZone: 'UTC' })
    : date.toISOString().slice(11, 16)
}

function tooltip({
  series,
  format,
  bucketSeconds,
}: Pick<ChartProps, 'series' | 'format' | 'bucketSeconds'>): uPlot.Plugin {
  const box = document.createElement('div')
  box.className = 'chart-tip'
  return {
    hooks: {
      init: (plot) => plot.over.append(box),
      setCursor: (plot) => {
        const { idx, left } = plot.cursor
        box.hidden = idx === null || idx === undefined || left === undefined || left < 0
        if (box.hidden) return
        const from = new Date(plot.data[0][idx!]! * 1000)
        const words = series.map(({ word, tone, values }) => {
          const line = document.createElement('div')
          const mark = document.createElement('span')
          mark.className = `legend-mark ${tone}`
          const value = values[idx!]
          line.append(
            mark,
            `${word} `,
            Object.assign(document.createElement('b'), {
              textContent: value === null || value === undefined ? '–' : format(value),
            }),
          )
          return line
        })
        const head = document.createElement('div')
        head.className = 'chart-tip-head'
        head.textContent = `${from.toISOString().slice(5, 16).replace('T', ' ')} UTC, ${bucketSeconds >= 3600 ? `${bucketSeconds / 3600} h` : `${bucketSeconds / 60} min`}`
        box.replaceChildren(head, ...words)
        const isRight = left! > plot.over.clientWidth / 2
        box.style.left = isRight ? '' : `${left! + 12}px`
        box.style.right = isRight ? `${plot.over.clientWidth - left! + 12}px` : ''
      },
    },
  }
}
