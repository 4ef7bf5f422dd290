/**
 * A list: awaited it is one page, iterated all that it holds, page after page as they are needed. Nothing is asked before.
 *
 * @example
 * const { deliveries, next_cursor } = await project.listDeliveries({ limit: 10 })
 * for await (const delivery of project.listDeliveries({ status: 'failed' })) …
 */
export class List<Page, Item> implements PromiseLike<Page>, AsyncIterable<Item> {
  readonly #read: (query: object) => Promise<Page>
  readonly #query: object
  #page: Promise<Page> | undefined

  constructor(read: (query: object) => Promise<Page>, query: object) {
    this.#read = read
    this.#query = query
  }

  // oxlint-disable-next-line unicorn/no-thenable -- that is its purpose
  then<Result = Page, Failed = never>(
    onFulfilled?: ((page: Page) => Result | PromiseLike<Result>) | null,
    onRejected?: ((reason: unknown) => Failed | PromiseLike<Failed>) | null,
  ): Promise<Result | Failed> {
    this.#page ??= this.#read(this.#query)
    return this.#page.then(onFulfilled, onRejected)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    let query: object = { limit: 100, ...this.#query }
    for (;;) {
      const page = await this.#read(query)
      yield* itemsOf<Item>(page)
      const { next_cursor: cursor } = page as { next_cursor: string | null }
      if (cursor === null) return
      query = { ...query, cursor }
    }
  }
}

/** A page has one member with its items, named for them. */
function itemsOf<Item>(page: unknown): Item[] {
  return Object.values(page as object).find((member) => Array.isArray(member)) as Item[]
}
