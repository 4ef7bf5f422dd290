import { spawnSync } from 'node:child_process'
import { mkdtempDisposableSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { startPostrider } from './support/running.ts'

const deploy = join(import.meta.dirname, '../deploy')
const alerts = join(deploy, 'prometheus/alerts.yaml')

/** The names of metrics in a file: a histogram's parts count as the histogram. */
function metricsIn(file: string): Set<string> {
  const names = readFileSync(file, 'utf8').match(/\b(postrider|nodejs|process)_[a-z0-9_]+\b/g) ?? []
  return new Set(names.map((name) => name.replace(/_(bucket|sum|count)$/, '')))
}

test('alerts and the Grafana dashboard ask for metrics that there are', async () => {
  await using running = await startPostrider()
  running.postrider.metrics.tellProcess()
  const text = await (await fetch(`${running.url}/metrics`)).text()
  const known = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name))
  for (const file of [alerts, join(deploy, 'grafana/postrider.json')]) {
    const asked = metricsIn(file)
    expect(asked.size).toBeGreaterThan(2)
    expect([...asked].filter((name) => !known.has(name))).toEqual([])
  }
})

const promtool = spawnSync('promtool', ['--version'])

describe.skipIf(promtool.error !== undefined)('promtool', () => {
  test('finds nothing wrong with the alerts', () => {
    expect(run('check', 'rules', alerts)).toContain('SUCCESS: 9 rules found')
  })

  test('sees the alerts fire when they should', () => {
    expect(run('test', 'rules', join(deploy, 'prometheus/alerts.test.yaml'))).toContain('SUCCESS')
  })

  test('finds nothing wrong with what the Grafana dashboard asks', () => {
    const { panels } = JSON.parse(readFileSync(join(deploy, 'grafana/postrider.json'), 'utf8')) as {
      panels: { targets: { expr: string }[] }[]
    }
    const asked = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))
    expect(asked.length).toBeGreaterThan(10)
    const rules = asked.map((expr, index) => ({
      record: `asked:${index}`,
      expr: expr.replaceAll('$__rate_interval', '5m'),
    }))
    using directory = mkdtempDisposableSync(join(tmpdir(), 'postrider-grafana-'))
    // JSON is YAML.
    const file = join(directory.path, 'rules.yaml')
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'grafana', rules }] }))
    expect(run('check', 'rules', file)).toContain(`SUCCESS: ${asked.length} rules found`)
  })
})

function run(...args: string[]): string {
  const { stdout, stderr, status } = spawnSync('promtool', args, { encoding: 'utf8' })
  expect({ stdout, stderr, status }).toMatchObject({ stderr: '', status: 0 })
  return stdout
}
