import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkUrl } from '../../src/registry/url.ts'
import { blockedHosts, blockedPorts, passingHosts } from '../corpora/addresses.ts'
import { blockedUrls } from '../corpora/urls.ts'

const strict = { allowHttp: false, allowPrivate: [] }
const httpToo = { allowHttp: true, allowPrivate: [] }

describe.each(Object.entries(blockedHosts))('%s', (_, hosts) => {
  it.each(hosts)('%s is refused when saved, with a reason', (host) => {
    const urls = [`http://${host}/`, `https://${host}/hooks`, `https://${host}:8443/`]
    const passing = urls.filter((url) => checkUrl(url, httpToo).ok)
    expect(passing).toEqual([])
  })
})

describe.each(Object.entries(blockedUrls))('%s', (_, urls) => {
  it.each(urls)('%j is refused when saved, with a reason', (url) => {
    expect(checkUrl(url.replace('{port}', '8080'), httpToo).ok).toBe(false)
  })
})

it.each(blockedPorts)('port %i is refused when saved', (port) => {
  expect(checkUrl(`https://example.com:${port}/`, strict).ok).toBe(false)
})

it.each(passingHosts)('%s passes', (host) => {
  expect(checkUrl(`https://${host}/hooks`, strict).ok).toBe(true)
  expect(checkUrl(`http://${host}/hooks`, httpToo).ok).toBe(true)
})

describe('what is stored', () => {
  it.each([
    ['https://example.com', 'https://example.com/'],
    ['HTTPS://Example.COM:443/Hooks?q=1', 'https://example.com/Hooks?q=1'],
    ['https://münchen.de/ä', 'https://xn--mnchen-3ya.de/%C3%A4'],
    ['https://example.com/hooks#fragment', 'https://example.com/hooks'],
    ['  https://example.com/  ', 'https://example.com/'],
    ['https://example.com:8443/', 'https://example.com:8443/'],
  ])('%s becomes %s', (text, url) => {
    expect(checkUrl(text, strict)).toEqual({ ok: true, url })
  })

  it('is accepted again as it is', () => {
    const urls = fc.sample(fc.webUrl({ withQueryParameters: true, withFragments: true }), 500)
    expect(urls.filter(changedAgain)).toEqual([])
  })
})

describe('what the user is told', () => {
  it.each([
    ['http://example.com/', /^use https: plain http/],
    ['ftp://example.com/', /^use https: "ftp"/],
    [
      'https://10.0.0.7/',
      /^private addresses are not allowed: 10\.0\.0\.7 is not public \(private network\)/,
    ],
    ['https://127.1/', /127\.0\.0\.1 is not public \(loopback\)/],
    ['https://localhost/', /^private addresses are not allowed: localhost is a name inside a network/],
    ['https://user:pass@example.com/', /user name or password/],
    ['https://example.com:22/', /^port 22 is not allowed/],
    ['https://example.com:0/', /^port 0/],
    ['https://exa\tmple.com/', /control characters/],
    ['https://example.com/\r\n', /control characters/],
    ['example.com/hooks', /full URL, such as https:/],
    ['', /full URL/],
    ['https://', /full URL/],
    ['https://-example.com/', /not a valid host name/],
    [`https://${'a'.repeat(64)}.example.com/`, /not a valid host name/],
    [`https://${'a.'.repeat(130)}example.com/`, /not a valid host name/],
    ['https://exa*mple.com/', /not a valid host name/],
    [`https://example.com/${'a'.repeat(2_048)}`, /at most 2048 characters/],
    [`https://example.com/${'ä'.repeat(1_000)}`, /at most 2048 characters when encoded/],
  ])('%s: %s', (url, message) => {
    expect(checkUrl(url, strict)).toEqual({ ok: false, message: expect.stringMatching(message) })
  })
})

describe('with a private range allowed', () => {
  const policy = { allowHttp: true, allowPrivate: ['10.0.0.0/8', '127.0.0.0/8'] }

  it.each([
    'http://10.1.2.3/',
    'http://127.0.0.1:8080/',
    'http://[::ffff:127.0.0.1]:9999/',
    'http://localhost:41234/',
    'http://receiver:8080/',
    'http://receiver.internal:8081/',
  ])('%s passes', (url) => {
    expect(checkUrl(url, policy).ok).toBe(true)
  })

  it.each([
    'http://192.168.0.1/',
    'http://169.254.169.254/',
    'http://[::1]/',
    'http://127.0.0.1:0/',
    'http://10.1.2.3:25/',
    'http://127.0.0.1:6379/',
    'http://receiver.internal:81/',
    'http://example.com:25/',
    'http://8.8.8.8:25/',
  ])('%s is still refused', (url) => {
    expect(checkUrl(url, policy).ok).toBe(false)
  })
})

describe('with link-local addresses inside an allowed range', () => {
  const policy = { allowHttp: false, allowPrivate: ['0.0.0.0/0', '::/0'] }

  it.each([
    'https://169.254.169.254/',
    'https://168.63.129.16/',
    'https://[fd00:ec2::254]/',
    'https://[fe80::1]/',
  ])('%s passes by their own switch only', (url) => {
    const words = /^private addresses are not allowed: .* is not public \(link-local, cloud metadata\)/
    expect(checkUrl(url, policy)).toEqual({ ok: false, message: expect.stringMatching(words) })
    expect(checkUrl(url, { ...policy, allowLinkLocal: true }).ok).toBe(true)
  })
})

describe('with ports of its own', () => {
  it.each([
    ['https://1.1.1.1:444/', ['web', '444'], true],
    ['https://1.1.1.1:443/', ['web', '444'], true],
    ['https://1.1.1.1:445/', ['web', '444'], 'use 444, 80, 443 or a port from 1024 that serves the web'],
    ['https://1.1.1.1/', ['8000-8100'], 'use 8000-8100'],
    ['https://1.1.1.1:8050/', ['8000-8100'], true],
  ])('%s where %j are allowed', (url, allowPorts, expected) => {
    const check = checkUrl(url, { ...strict, allowPorts })
    if (expected === true) expect(check.ok).toBe(true)
    else expect(check).toEqual({ ok: false, message: expect.stringContaining(`is not allowed: ${expected}`) })
  })

  it('one that is denied is refused, whatever is allowed', () => {
    expect(checkUrl('https://1.1.1.1:8080/', { ...strict, denyPorts: ['8000-9000'] }).ok).toBe(false)
  })
})

function changedAgain(text: string): boolean {
  const check = checkUrl(text, httpToo)
  const again = check.ok ? checkUrl(check.url, httpToo) : check
  return JSON.stringify(again) !== JSON.stringify(check)
}
