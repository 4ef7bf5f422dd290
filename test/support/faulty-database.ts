import { Database, type Queryable, type QueryResult } from '../../src/database/database.ts'

/** `before`: the statement never gets there. `after`: it is carried out, and its reply is lost. */
export type Fault = 'before' | 'after' | undefined

/** The same database over a network that may lose statements and replies. */
export class FaultyDatabase extends Database {
  fault: (text: string) => Fault = () => undefined

  constructor({ pool }: Database) {
    super({ pool })
  }

  override query<Row = Record<string, unknown>>(text: string, values?: unknown[]): Promise<QueryResult<Row>> {
    return this.#carryOut(text, () => super.query<Row>(text, values))
  }

  override transaction<Result>(work: (transaction: Queryable) => Promise<Result>): Promise<Result> {
    return super.transaction((transaction) =>
      work({
        query: <Row>(text: string, values?: unknown[]) =>
          this.#carryOut(text, () => transaction.query<Row>(text, values)),
      }),
    )
  }

  async #carryOut<Result>(text: string, run: () => Promise<Result>): Promise<Result> {
    const fault = this.fault(text)
    if (fault === 'before') throw new Error('Connection terminated unexpectedly')
    const result = await run()
    if (fault === 'after') throw new Error('Connection terminated unexpectedly')
    return result
  }
}
