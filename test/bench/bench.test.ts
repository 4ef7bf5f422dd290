import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { cases } from '../../bench/cases/cases.ts'
import type { Period } from '../../bench/endurance/report.ts'

type Results = Record<string, Record<string, Record<string, number>[]>>

// CPU is read from /proc; the server is always the embedded one.
describe.skipIf(process.platform !== 'linux' || process.env['TEST_POSTGRES_BIN'])('the bench', () => {
  it('measures every case in its short form', { timeout: 180_000 }, async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [join(import.meta.dirname, '../../bench/main.ts'), '--short', '--json'],
      { timeout: 170_000 },
    )
    const results = JSON.parse(stdout) as Results
    expect(Object.keys(results)).toEqual(cases.map(({ name }) => name))
    for (const { name, columns, contestants } of cases) {
      const taking = contestants.filter(({ longOnly = false }) => !longOnly)
      expect(Object.keys(results[name]!)).toEqual(taking.map((contestant) => contestant.name))
      for (const [contestant, [figures]] of Object.entries(results[name]!)) {
        const [main] = columns
        expect(figures![main!.key], `${name}: ${contestant}`).toSatisfy(Number.isFinite)
      }
    }
  })

  it('holds a snapshot open beside a steady load in its short form', { timeout: 60_000 }, async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [
        join(import.meta.dirname, '../../bench/endurance.ts'),
        'snapshot',
        '--minutes=0.03',
        '--rate=40',
        '--short',
        '--json',
      ],
      { timeout: 50_000 },
    )
    const periods = JSON.parse(stdout) as Period[]
    expect(periods.map(({ name }) => name.replace(/[\d.]+/, 'N'))).toEqual([
      'before',
      ...Array.from({ length: 5 }, () => 'held for N min'),
      ...Array.from({ length: 2 }, () => 'N min after'),
    ])
    for (const { claims, claimUs, tables } of periods) {
      expect(claims).toBeGreaterThan(0)
      expect(claimUs).toBeGreaterThan(0)
      expect(tables.map(({ name }) => name)).toContain('delivery_queue')
    }
  })
})
