import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { PostriderApiError } from '../../src/client/error.ts'
import { describeFailure, Failure } from '../../src/cli/failure.ts'
import { ConfigError } from '../../src/config.ts'

function systemError(fields: object, message = ''): Error {
  return Object.assign(new Error(message), fields)
}

const refused = (address: string) => systemError({ code: 'ECONNREFUSED', address, port: 5432 })

test.each<[string, unknown, string, number]>([
  ['a failure', new Failure('no luck'), 'no luck', 1],
  ['a misuse', new Failure('not so', { exitCode: 2 }), 'not so', 2],
  ['wrong settings', new ConfigError(['A is wrong', 'B is wrong']), 'A is wrong\nB is wrong', 2],
  ['a refused connection', refused('10.0.0.1'), 'nothing answers at 10.0.0.1:5432: connection refused', 1],
  [
    'a name whose addresses all refuse',
    new AggregateError([refused('::1'), refused('127.0.0.1')]),
    'nothing answers at ::1:5432: connection refused; nothing answers at 127.0.0.1:5432: connection refused',
    1,
  ],
  [
    'an address of another machine',
    systemError({ code: 'EADDRNOTAVAIL', address: '192.0.2.1', port: 80 }),
    '192.0.2.1 is no address of this machine: set another POSTRIDER_HOST',
    1,
  ],
  ['an unknown host', systemError({ code: 'ENOTFOUND', hostname: 'db' }), 'the host name db is not known', 1],
  [
    'what is too large',
    new PostriderApiError('too_large', 'too much', { status: 413, requestId: '1' }),
    'too much',
    2,
  ],
  [
    'a server that is another',
    new PostriderApiError('bad_answer', 'The server answered 404.', { status: 404 }),
    'The server answered 404.\nis it Postrider that answers there? --url or POSTRIDER_URL says which server is asked',
    1,
  ],
  ['any other error', new TypeError('x is not a function'), 'x is not a function', 1],
  ['an error without a word', systemError({ code: 'EPIPE' }), 'EPIPE', 1],
  ['what is no error', 'thrown', 'thrown', 1],
])('%s is told in words', (_what, error, message, exitCode) => {
  expect(describeFailure(error)).toEqual({ message, exitCode })
})

test('a port in use is told with the setting that changes it', async () => {
  const [first, second] = [createServer(), createServer()]
  await new Promise<void>((listening) => first.listen(0, '127.0.0.1', listening))
  const { port } = first.address() as { port: number }
  const error = await new Promise((failed) => second.on('error', failed).listen(port, '127.0.0.1'))
  first.close()
  expect(describeFailure(error).message).toBe(
    `127.0.0.1:${port} is in use: stop what listens there, or set another POSTRIDER_PORT`,
  )
})
