import { isDeepStrictEqual } from 'node:util'
import { errorCodes, type ErrorCode } from '../../src/contract/errors.ts'
import { codesOf } from '../../src/contract/openapi.ts'
import { type RouteName, routes } from '../../src/contract/routes.ts'
import { checkAnswer, findOperation } from './openapi.ts'

/** What holds for every answer, whatever was asked. */

export interface Answer {
  status: number
  headers: Headers
  text: string
  /** Read as JSON, or `undefined`. */
  body: unknown
}

interface Asked {
  method: string
  path: string
  /** Everything that was sent, as text: an answer may repeat it. */
  sent: string
}

/** Throws for an answer that no call may have. */
export function checkAnyAnswer({ method, path, sent }: Asked, answer: Answer): void {
  const fail = (why: string): never => {
    throw new Error(`${why}: ${answer.status} ${answer.text.slice(0, 2_000)}`)
  }
  if (answer.status >= 500) fail('an error of ours')
  if (!answer.text.isWellFormed()) fail('half of a character')
  for (const name of ['x-request-id', 'x-content-type-options', 'content-security-policy', 'cache-control']) {
    if (!answer.headers.has(name)) fail(`without ${name}`)
  }
  if (method === 'HEAD') {
    if (answer.text !== '') fail('a body for HEAD')
    return
  }
  if (answer.status >= 400) checkProblem(answer, sent, fail)
  // A path is normalized before it is looked up, and what it then means may be another call.
  const { pathname } = new URL(`http://localhost${path}`)
  const operation = findOperation(method, pathname)
  if (operation === undefined) {
    if (![400, 401, 404, 405].includes(answer.status)) fail('a call that nobody documented')
    return
  }
  checkAnswer(method, pathname, answer)
  const { code } = (answer.body ?? {}) as { code?: ErrorCode }
  if (answer.status >= 400 && !codesOf(routes[operation.operationId as RouteName]).includes(code!)) {
    fail(`a code that ${operation.operationId} does not tell of`)
  }
}

/** RFC 9457 in our form, and nothing in it that only our sources or the database know. */
function checkProblem(
  { status, headers, text, body }: Answer,
  sent: string,
  fail: (why: string) => never,
): void {
  if (headers.get('content-type') !== 'application/problem+json') fail('an error of another type')
  const problem = body as { type: string; title: string; status: number; code: ErrorCode; detail: string }
  const expected = { type: 'about:blank', ...errorCodes[problem.code], code: problem.code }
  const { type, title, code } = problem
  if (!isDeepStrictEqual({ type, status: problem.status, title, code }, expected)) fail('another form')
  if (problem.status !== status || problem.detail === '') fail('another status inside')
  const told = leaks.exec(text)
  if (told && !sent.includes(told[0])) fail(`it tells of ${told[0]}`)
}

const leaks =
  /\b(SELECT|INSERT INTO|DELETE FROM|UPDATE \w+|postrider\.\w+|pg_\w+|plpgsql|jsonb|relation|constraint|violates|syntax error|invalid input syntax|node_modules|\w+\.ts:\d+|ECONN\w+|\/work\/\S*)|\n {4}at /
