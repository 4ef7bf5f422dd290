/** A migration that did not run through; nothing of it is left. `cause` is PostgreSQL's own error. */
export class MigrationError extends Error {
  readonly path: string
  /** The statement that failed, counted from 1. */
  readonly statement: number
  /** Where it starts, or where in it PostgreSQL points to. */
  readonly line: number

  constructor(file: { path: string; sql: string }, statement: number, cause: Error & { position?: string }) {
    const offset = cause.position ? Number(cause.position) - 1 : statementOffset(file.sql, statement)
    const line = file.sql.slice(0, offset).split('\n').length
    super(`${file.path}:${line}: statement ${statement}: ${cause.message}`, { cause })
    this.name = 'MigrationError'
    this.path = file.path
    this.statement = statement
    this.line = line
  }
}

/** What may hide a semicolon, or the semicolon itself. Good enough to point a person to a line. */
const SEMICOLON = /--.*|\/\*[^]*?\*\/|'(?:[^']|'')*'|"[^"]*"|\$(\w*)\$[^]*?\$\1\$|(;)/g

/** Where blanks or comments are ahead of a statement, too. */
const LEADING = /(?:\s|--.*|\/\*[^]*?\*\/)*/y

function statementOffset(sql: string, statement: number): number {
  const ends = [...sql.matchAll(SEMICOLON)].filter((match) => match[2]).map((match) => match.index + 1)
  LEADING.lastIndex = ends[statement - 2] ?? 0
  LEADING.exec(sql)
  return LEADING.lastIndex
}
