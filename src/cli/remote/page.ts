import type { List } from '../../client/list.ts'

/** So many items of a list as one page, with where the next begins: over several pages of the API. */
export async function take<Page extends { next_cursor: string | null }>(
  read: (query: { limit: number; cursor?: string }) => List<Page, unknown>,
  limit: number,
): Promise<Page> {
  let page: Page | undefined
  let left = limit
  for (;;) {
    const cursor = page?.next_cursor
    const next = await read({ limit: Math.min(100, left), ...(cursor && { cursor }) })
    page = page ? joined(page, next) : next
    left = limit - itemsOf(page).length
    if (left <= 0 || page.next_cursor === null) return page
  }
}

function joined<Page extends object>(one: Page, next: Page): Page {
  return Object.fromEntries(
    Object.entries(next).map(([name, value]) => [
      name,
      Array.isArray(value) ? [...(one as Record<string, unknown[]>)[name]!, ...(value as unknown[])] : value,
    ]),
  ) as Page
}

function itemsOf(page: object): unknown[] {
  return Object.values(page).find((value) => Array.isArray(value)) as unknown[]
}
