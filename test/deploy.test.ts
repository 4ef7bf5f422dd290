import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startPostrider } from './support/running.ts'

const deploy = join(import.meta.dirname, '../deploy')
const alerts = join(deploy, 'prometheus/alerts.yaml')

/** The names of metrics in a file: a histogram's parts count as the histogram. */
function metricsIn(file: string): Set<string> {
  const names = readFileSync(file, 'utf8').match(/\bpostrider_[a-z_]+\b/g) ?? []
  return new Set(names.map((name) => name.replace(/_(bucket|sum|count)$/, '')))
}

test('alerts and the Grafana dashboard ask for metrics that there are', async () => {
  await using running = await startPostrider()
  const text = await (await fetch(`${running.url}/metrics`)).text()
  const known = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name))
  for (const file of [alerts, join(deploy, 'grafana/postrider.json')]) {
    const asked = metricsIn(file)
    expect(asked.size).toBeGreaterThan(2)
    expect([...asked].filter((name) => !known.has(name))).toEqual([])
  }
})

const promtool = spawnSync('promtool', ['--version'])

test.skipIf(promtool.error !== undefined)('promtool finds nothing wrong with the alerts', () => {
  const { stdout, stderr, status } = spawnSync('promtool', ['check', 'rules', alerts], { encoding: 'utf8' })
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
  expect(stdout).toContain('SUCCESS: 4 rules found')
})
