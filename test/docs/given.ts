/** What blocks of TypeScript may say without having made it: names that the text around them has introduced. */
export const given: Record<string, string> = {
  projectId: `declare const projectId: string`,
  webhookId: `declare const webhookId: string`,
  secret: `declare const secret: string`,
  publicKey: `declare const publicKey: string`,
  encryptionKeys: `declare const encryptionKeys: import('postrider').EncryptionKey[]`,
  adminKey: `declare const adminKey: string`,
  Events: `interface Events { 'order.paid': { order: number; amount: string } }`,
  shipOrder: `declare function shipOrder(order: number): Promise<void>`,
  api: `declare const api: import('postrider/server').Api`,
  pool: `declare const pool: import('pg').Pool`,
  prisma: `interface PrismaTransaction {
  $executeRaw(query: TemplateStringsArray, ...values: unknown[]): Promise<number>
  $queryRawUnsafe<Rows>(query: string, ...values: unknown[]): Promise<Rows>
}
declare const prisma: { $transaction<Result>(work: (tx: PrismaTransaction) => Promise<Result>): Promise<Result> }`,
  postrider: `declare const postrider: import('postrider').Postrider`,
}
