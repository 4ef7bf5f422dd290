import * as fc from 'fast-check'
import { isIP } from 'node:net'
import { describe, expect, it } from 'vitest'
import { isWithin, notPublicBecause, parseAddress, parseRange, parseRanges } from '../src/address.ts'

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
