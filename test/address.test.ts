import * as fc from 'fast-check'
import { isIP } from 'node:net'
import { describe, expect, it } from 'vitest'
import {
  isOpened,
  isWithin,
  notPublicBecause,
  openRanges,
  parseAddress,
  parseRange,
  parseRanges,
  refusedBecause,
} from '../src/address.ts'

describe('parseAddress', () => {
  it.each([
    ['8.8.8.8', [8, 8, 8, 8]],
    ['::ffff:8.8.8.8', [8, 8, 8, 8]],
    ['::ffff:808:808', [8, 8, 8, 8]],
    ['::1', [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]],
  ])('reads %s', (text, bytes) => {
    expect(parseAddress(text)).toEqual(bytes)
  })

  it.each([
    '',
    '127.1',
    '0x7f000001',
    '2130706433',
    '0177.0.0.1',
    '1.2.3.4.5',
    '256.1.1.1',
    ' 1.1.1.1',
    'fe80::1%eth0',
  ])('takes %j for no address', (text) => {
    expect(parseAddress(text)).toBeUndefined()
  })

  it('never reads what the runtime itself takes for no address', () => {
    const texts = fc.sample(fc.oneof(fc.string(), fc.ipV4Extended(), fc.ipV6(), fc.ipV4()), 2_000)
    expect(texts.filter((text) => parseAddress(text) && isIP(text) === 0)).toEqual([])
  })
})

describe('notPublicBecause', () => {
  it('calls no IPv6 address public outside 2000::/3', () => {
    const bytes = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 16, maxLength: 16 })
    const outside = fc.sample(bytes, 2_000).filter(([first]) => (first! & 0xe0) !== 0x20)
    expect(outside.filter((address) => notPublicBecause(address) === undefined)).toEqual([])
  })

  it('says what an address is', () => {
    expect(notPublicBecause(parseAddress('127.0.0.1')!)).toBe('loopback')
    expect(notPublicBecause(parseAddress('169.254.169.254')!)).toBe('link-local, cloud metadata')
    expect(notPublicBecause(parseAddress('8.8.8.8')!)).toBeUndefined()
  })
})

describe('ranges', () => {
  it.each([
    ['10.0.0.0/8', '10.255.255.255', '11.0.0.0'],
    ['10.1.2.128/25', '10.1.2.255', '10.1.2.127'],
    ['10.1.2.3', '10.1.2.3', '10.1.2.4'],
    ['0.0.0.0/0', '255.255.255.255', '::1'],
    ['fd00::/8', 'fdff::1', 'fc00::1'],
    ['fd00::7', 'fd00::7', 'fd00::8'],
    ['::ffff:10.0.0.0/104', '10.1.1.1', '11.0.0.1'],
    ['127.0.0.0/8', '::ffff:127.0.0.1', '::1'],
  ])('%s holds %s and not %s', (cidr, inside, outside) => {
    expect(isWithin(parseAddress(inside)!, parseRanges([cidr]))).toBe(true)
    expect(isWithin(parseAddress(outside)!, parseRanges([cidr]))).toBe(false)
  })

  it.each([
    '',
    'localhost',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/',
    '10/8',
    'fd00::/129',
    '10.0.0.0/8/8',
    '*',
  ])('refuses %j', (cidr) => {
    expect(() => parseRange(cidr)).toThrow(RangeError)
  })
})

describe('what a policy opens', () => {
  const everything = openRanges({ allowHttp: false, allowPrivate: ['0.0.0.0/0', '::/0'] })
  const nothing = openRanges({ allowHttp: false, allowPrivate: [] })

  it('is nothing of link-local and metadata addresses, in whatever IPv6 they are hidden', () => {
    const linkLocal = fc.oneof(
      fc.tuple(fc.nat(255), fc.nat(255)).map(([c, d]) => [169, 254, c, d]),
      fc.constantFrom([168, 63, 129, 16], [100, 100, 100, 200], [192, 0, 0, 192]),
    )
    const hidden = fc.sample(fc.tuple(linkLocal, fc.nat(6)), 2_000).map(([ipv4, way]) => hide(ipv4, way))
    expect(hidden.filter((address) => refusedBecause(address, everything) === undefined)).toEqual([])
    expect(hidden.filter((address) => isOpened(address, everything))).toEqual([])
  })

  it('says nothing of public addresses: they may be reached, but were not opened', () => {
    const address = parseAddress('8.8.8.8')!
    expect(refusedBecause(address, nothing)).toBeUndefined()
    expect(isOpened(address, nothing)).toBe(false)
  })

  it('is never more than what it names, and never less than what is public', () => {
    const bytes = fc.oneof(
      fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 4, maxLength: 4 }),
      fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 16, maxLength: 16 }),
    )
    const some = openRanges({ allowHttp: false, allowPrivate: ['10.0.0.0/8', 'fd00::/8'] })
    const wrong = fc.sample(bytes, 5_000).filter((address) => {
      const passes = refusedBecause(address, some) === undefined
      const isPublic = notPublicBecause(address) === undefined
      return passes !== (isPublic || isWithin(address, some.ranges))
    })
    expect(wrong).toEqual([])
  })
})

/** The forms in which IPv6 carries an IPv4 address. */
function hide(ipv4: readonly number[], way: number): readonly number[] {
  const groups = [0, 2].map((at) => ((ipv4[at]! << 8) | ipv4[at + 1]!).toString(16))
  const upsideDown = groups.map((group) => (Number.parseInt(group, 16) ^ 0xffff).toString(16))
  const forms = [
    ipv4.join('.'),
    `::ffff:${groups.join(':')}`,
    `::ffff:0:${groups.join(':')}`,
    `64:ff9b::${groups.join(':')}`,
    `2002:${groups.join(':')}::1`,
    `2001::${upsideDown.join(':')}`,
    `2a00:1:2:3:0:5efe:${groups.join(':')}`,
  ]
  return parseAddress(forms[way]!)!
}
