import { floods, saysNothing, sends, sendsAndCloses } from '../support/hostile.ts'
import { answered, empty, retry, type HostileTable } from './hostile-case.ts'

/** Receivers that answer in good HTTP what nobody wants to hear. */
export const hostileAnswers: HostileTable = {
  'an answer that is no yes': [
    ...[300, 301, 302, 303, 304, 305, 307, 308].map(
      (status) =>
        [
          `redirects with ${status}`,
          sends(`HTTP/1.1 ${status} Elsewhere\r\nlocation: http://127.0.0.1:1/\r\n${empty}`),
          answered(status),
        ] as const,
    ),
    [
      'wants a login',
      sends(`HTTP/1.1 401 No\r\nwww-authenticate: NTLM, Basic realm="x"\r\n${empty}`),
      answered(401),
    ],
    [
      'wants a login for a proxy',
      sends(`HTTP/1.1 407 No\r\nproxy-authenticate: Basic\r\n${empty}`),
      answered(407),
    ],
    [
      'wants another protocol',
      sends(`HTTP/1.1 426 No\r\nupgrade: h2c\r\nconnection: upgrade\r\n${empty}`),
      answered(426),
    ],
    ['is gone', sends(`HTTP/1.1 410 Gone\r\n${empty}`), { outcome: 'gone', status: 410, says: 'http 410' }],
    [
      'answers 500 and closes in the middle of the body',
      sendsAndCloses('HTTP/1.1 500 No\r\ncontent-length: 100\r\n\r\nhalf'),
      answered(500, { body: 'half' }),
    ],
    [
      'answers 500 without end',
      floods('HTTP/1.1 500 No\r\n\r\n', 'no'),
      answered(500, { body: /^(no){8192}$/ }),
    ],
    [
      'answers 413 at once, and reads no more',
      saysNothing,
      answered(413, {
        isLarge: true,
        atOpen: (socket) => void socket.write(`HTTP/1.1 413 Too Large\r\nconnection: close\r\n${empty}`),
      }),
    ],
    [
      'answers 413 at once, and closes',
      saysNothing,
      // The reset for what was not read may overtake the answer.
      retry(/^(http 413|connection reset)$/, {
        isLarge: true,
        atOpen: (socket) => void socket.end(`HTTP/1.1 413 Too Large\r\n${empty}`),
      }),
    ],
  ],
  'an absurd Retry-After': [
    ...[
      '-5',
      '-1e18',
      '1e18',
      '1e999',
      'NaN',
      'Infinity',
      '',
      ' ',
      '0x10',
      '1.5',
      '99999999999999999999999999',
      '9'.repeat(9_000),
      '60, 120',
      'Thu, 01 Jan 1970 00:00:00 GMT',
      'Fri, 31 Dec 9999 23:59:59 GMT',
      '+294277-01-01T00:00:00Z',
      'tomorrow',
      '\xff\xfe',
      "'; DROP TABLE postrider.deliveries; --",
    ].flatMap((value) =>
      [429, 503].map(
        (status) =>
          [
            `answers ${status} and Retry-After ${JSON.stringify(value.slice(0, 40))}`,
            sends(`HTTP/1.1 ${status} Later\r\nretry-after: ${value}\r\n${empty}`),
            answered(status),
          ] as const,
      ),
    ),
    [
      'sends Retry-After twice',
      sends(`HTTP/1.1 503 Later\r\nretry-after: 5\r\nretry-after: 1e18\r\n${empty}`),
      answered(503),
    ],
  ],
}
