import { describe, expect, it } from 'vitest'
import { parsePorts, portRule } from '../src/ports.ts'
import { blockedPorts } from './corpora/addresses.ts'

describe('the ports that webhooks may use', () => {
  it('are 80, 443 and those from 1024 that are not known to be of another service', () => {
    const mayUse = portRule({})
    expect([80, 443, 1_024, 3_000, 8_080, 8_443, 49_152, 65_535].filter((port) => !mayUse(port))).toEqual([])
    expect(blockedPorts.filter(mayUse)).toEqual([])
    const below = Array.from({ length: 1_024 }, (_, port) => port)
    expect(below.filter(mayUse)).toEqual([80, 443])
  })

  it.each([-1, 0, 65_536, 1.5, NaN])('are never %d', (port) => {
    expect(portRule({ allowPorts: ['web'] })(port)).toBe(false)
  })

  it('are those that are named, less those that are denied', () => {
    const mayUse = portRule({ allowPorts: ['443', '8000-8100'], denyPorts: ['8050-8060', '443'] })
    expect([8_000, 8_049, 8_061, 8_100].filter((port) => !mayUse(port))).toEqual([])
    expect([80, 443, 7_999, 8_050, 8_060, 8_101].filter(mayUse)).toEqual([])
  })

  it('are none where none is allowed, and where the web is denied', () => {
    const all = Array.from({ length: 65_536 }, (_, port) => port)
    expect(all.filter(portRule({ allowPorts: [] }))).toEqual([])
    expect(all.filter(portRule({ denyPorts: ['web'] }))).toEqual([])
  })

  it.each(['', 'WEB', '0', '65536', '70000', '9-8', '1-2-3', '-', '-1', '1-', ' 80', '8o80', '1e3', '٨٠'])(
    'are not to be named as %j',
    (text) => {
      expect(() => parsePorts(text)).toThrow(RangeError)
    },
  )
})
