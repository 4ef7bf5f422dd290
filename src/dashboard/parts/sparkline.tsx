import { exactCount } from './words.ts'

interface SparklineProps {
  /** All, oldest first. */
  all: number[]
  /** How many of them failed. */
  failed?: number[]
  label: string
}

const barWidth = 4
const gap = 1.5
const height = 24

/** Small bars of volume, what failed of it at their foot. */
export function Sparkline({ all, failed, label }: SparklineProps) {
  const most = Math.max(...all, 1)
  const width = all.length * (barWidth + gap) - gap
  const tall = (value: number) => (value === 0 ? 0 : Math.max(1.5, (value / most) * height))
  return (
    <svg
      className="sparkline"
      role="img"
      aria-label={label}
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
    >
      <title>{label}</title>
      {all.map((value, index) => {
        const x = index * (barWidth + gap)
        const whole = tall(value)
        const bad = Math.min(whole, tall(failed?.[index] ?? 0))
        return (
          <g key={index}>
            {value === 0 ? (
              <rect x={x} y={height - 1} width={barWidth} height={1} className="spark-none" />
            ) : (
              <rect x={x} y={height - whole} width={barWidth} height={whole} rx={1} className="spark-good" />
            )}
            {bad > 0 && (
              <rect x={x} y={height - bad} width={barWidth} height={bad} rx={1} className="spark-bad" />
            )}
          </g>
        )
      })}
    </svg>
  )
}

export function attemptsWord(all: number[], failed: number[]): string {
  const sum = (values: number[]) => values.reduce((one, other) => one + other, 0)
  return `${exactCount(sum(all))} attempts, ${exactCount(sum(failed))} failed`
}
