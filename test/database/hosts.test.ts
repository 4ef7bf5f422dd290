import { describe, expect, test } from 'vitest'
import { misfit, parseHosts, type Session, sessions } from '../../src/database/hosts.ts'

describe('the hosts of a connection string', () => {
  test.each([
    ['postgres://u:p@h:1/d', 'one'],
    ['postgres://u:p@[::1]:1/d?application_name=a%20b', 'one, by address'],
    ['postgres://u:p@h/d?target_session_attrs=any', 'one, whichever it is'],
    ['/var/run/postgresql d', 'no URL'],
  ])('are left to the driver: %s, %s', (connectionString) => {
    expect(parseHosts(connectionString)).toBeUndefined()
  })

  test.each<[string, string[], string[]]>([
    [
      'postgres://u:p%40@a:1,b:2/d?target_session_attrs=read-write&sslmode=disable',
      ['a:1', 'b:2'],
      ['postgres://u:p%40@a:1/d?sslmode=disable', 'postgres://u:p%40@b:2/d?sslmode=disable'],
    ],
    ['postgresql://a,b/d', ['a:5432', 'b:5432'], ['postgresql://a/d', 'postgresql://b/d']],
    [
      'postgres://u@[::1]:1,[fe80::1]/d',
      ['[::1]:1', '[fe80::1]:5432'],
      ['postgres://u@[::1]:1/d', 'postgres://u@[fe80::1]/d'],
    ],
    ['postgres://u@/d?host=a,b&port=1,2', ['a:1', 'b:2'], ['postgres://u@a:1/d', 'postgres://u@b:2/d']],
    ['postgres:///d?host=a,b&port=6', ['a:6', 'b:6'], ['postgres://a:6/d', 'postgres://b:6/d']],
    [
      'postgres://u@/d?host=/run/a,/run/b&port=1,2',
      ['/run/a:1', '/run/b:2'],
      ['postgres://u@/d?host=%2Frun%2Fa&port=1', 'postgres://u@/d?host=%2Frun%2Fb&port=2'],
    ],
    ['postgres://u:p@h:1/d?target_session_attrs=primary', ['h:1'], ['postgres://u:p@h:1/d']],
  ])('%s', (connectionString, names, strings) => {
    const { hosts } = parseHosts(connectionString)!
    expect(hosts.map(({ name }) => name)).toEqual(names)
    expect(hosts.map((host) => host.connectionString)).toEqual(strings)
  })

  test('come with how one of them is chosen', () => {
    expect(parseHosts('postgres://a,b/d')).toMatchObject({
      session: 'any',
      isShuffled: false,
      connectTimeoutMs: undefined,
    })
    expect(
      parseHosts('postgres://a,b/d?target_session_attrs=standby&load_balance_hosts=random&connect_timeout=2'),
    ).toMatchObject({ session: 'standby', isShuffled: true, connectTimeoutMs: 2_000 })
  })

  test.each([
    [
      'postgres://u:geheim@a,b/d?target_session_attrs=readwrite',
      /must be one of any, read-write, .*not "readwrite"/,
    ],
    ['postgres://u:geheim@a,b/d?load_balance_hosts=yes', /load_balance_hosts must be one of disable, random/],
    ['postgres://u:geheim@/d?host=a,b&port=1,2,3', /2 hosts and 3 ports/],
    ['postgres://u:geheim@a:x,b/d', /"a:x" is no host/],
  ])('are refused: %s', (connectionString, reason) => {
    expect(() => parseHosts(connectionString)).toThrow(reason)
    expect(() => parseHosts(connectionString)).not.toThrow('geheim')
  })
})

test('a server will do, or the reason is told in words', () => {
  const primary = { is_read_only: false, is_standby: false }
  const frozen = { is_read_only: true, is_standby: false }
  const standby = { is_read_only: true, is_standby: true }
  const fits = (session: Session) =>
    [primary, frozen, standby].map((server) => misfit(session, server) ?? 'fits')
  expect(Object.fromEntries(sessions.map((session) => [session, fits(session)]))).toEqual({
    any: ['fits', 'fits', 'fits'],
    'read-write': ['fits', 'session is read-only', 'session is read-only'],
    'read-only': ['session is not read-only', 'fits', 'fits'],
    primary: ['fits', 'fits', 'server is in hot standby mode'],
    standby: ['server is not in hot standby mode', 'server is not in hot standby mode', 'fits'],
    'prefer-standby': ['fits', 'fits', 'fits'],
  })
})
