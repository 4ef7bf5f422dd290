import Type from 'typebox'
import { nullable, optional, strict } from './text.ts'

/** Lists are read page by page, newest first. */

export const PageQuery = strict({
  limit: optional(Type.Integer({ minimum: 1, maximum: 100 }), {
    default: 50,
    description: 'How many at most.',
  }),
  cursor: optional(Type.String({ maxLength: 200 }), {
    description: 'The `next_cursor` of the page before; without it, the newest.',
  }),
})

/** The query of a list that can be narrowed. */
export function pageQuery<Filters extends Type.TProperties>(filters: Filters) {
  return strict({ ...filters, ...PageQuery.properties })
}

/** One page: the things under their plural, and where the next page begins. */
export function pageOf<Plural extends string, Item extends Type.TSchema>(plural: Plural, item: Item) {
  return strict({
    [plural]: Type.Array(item),
    next_cursor: Type.With(nullable(Type.String()), {
      description: 'For the next page; null on the last one.',
    }),
  } as Record<Plural, Type.TArray<Item>> & { next_cursor: Type.TUnion<[Type.TString, Type.TNull]> })
}
