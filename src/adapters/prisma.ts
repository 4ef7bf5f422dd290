import { type Adapter, hasMethod } from './transaction.ts'

/** The `tx` that an interactive transaction gives: `prisma.$transaction(async (tx) => …)`. */
export interface PrismaTransaction {
  $queryRawUnsafe(text: string, ...values: never[]): PromiseLike<unknown>
  /** What connects is the client itself. */
  $connect?: never
}

export const prisma: Adapter<PrismaTransaction> = {
  library: 'Prisma',
  give: 'the tx that prisma.$transaction(async (tx) => …) gives',
  knows: (value) => hasMethod(value, '$queryRawUnsafe'),
  isOpen: (tx) => !hasMethod(tx, '$connect'),
  adapt: (tx) => ({
    query: async (text, values) => ({
      rows: (await tx.$queryRawUnsafe(text, ...(values as never[]))) as unknown[],
    }),
  }),
}
