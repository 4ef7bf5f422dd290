/**
 * What publishing needs of a caller's transaction: one statement with `$1`, `$2` … whose values are texts or null, and its
 * rows. A `pg` client between BEGIN and COMMIT is one; the adapters in this folder make one of what other libraries have.
 * None of them is imported, not for its types either.
 */
export interface Transaction {
  query(text: string, values: (string | null)[]): Promise<{ rows: unknown[] }>
}

/** How the transactions of one library are told from everything else, and become one that publishing can use. */
export interface Adapter<Given> {
  library: string
  /** What to give, as an error says it. */
  give: string
  /** Whether a value comes from this library, in a transaction or not. */
  knows(value: object): boolean
  /** Whether it is in a transaction, as far as it can tell. */
  isOpen(value: Given): boolean
  adapt(transaction: Given): Transaction
}

export function hasMethod(value: object, name: string): boolean {
  return typeof Reflect.get(value, name) === 'function'
}
