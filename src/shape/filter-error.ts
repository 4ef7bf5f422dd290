/** What is wrong with the text of a filter, and at which character, from 0. */
export class FilterError extends Error {
  override readonly name = 'FilterError'
  readonly offset: number

  constructor(message: string, offset: number, options?: ErrorOptions) {
    super(message, options)
    this.offset = offset
  }
}
