import { LRUCache } from 'lru-cache'
import type { Queryable } from '../database/database.ts'
import { brokenShape, compileShape, type Shape, shapeComplaints, type ShapeSource } from '../shape/shape.ts'
import type { ClaimedDelivery } from './claim.ts'

/** Those of so many webhooks stay compiled. */
const remembered = 256

/**
 * The shapes of deliveries, read and compiled once for many: a version never changes. Deliveries without one cost
 * nothing here.
 */
export class Shapes {
  readonly #queryable: Queryable
  readonly #compiled = new LRUCache<string, Shape>({ max: remembered })

  constructor(queryable: Queryable) {
    this.#queryable = queryable
  }

  /** Gives each of them its shape, if it has one. */
  async giveTo(deliveries: readonly ClaimedDelivery[]): Promise<void> {
    const shaped = deliveries.filter(({ shape_id }) => shape_id !== null)
    if (shaped.length === 0) return
    const known = new Map<string, Shape>()
    for (const { shape_id } of shaped) {
      const shape = this.#compiled.get(shape_id!)
      if (shape) known.set(shape_id!, shape)
    }
    const missing = new Set(shaped.map(({ shape_id }) => shape_id!).filter((id) => !known.has(id)))
    for (const [id, shape] of await this.#read([...missing])) known.set(id, shape)
    for (const delivery of shaped) {
      delivery.shape = known.get(delivery.shape_id!) ?? brokenShape('the template and filter are gone')
    }
  }

  async #read(ids: readonly string[]): Promise<[string, Shape][]> {
    if (ids.length === 0) return []
    const { rows } = await this.#queryable.query<ShapeSource & { id: string }>(
      `SELECT shape.id, shape.payload_template, shape.filter
       FROM postrider.webhook_shapes AS shape
       WHERE shape.id = ANY($1::uuid[])`,
      [ids],
    )
    return rows.map(({ id, ...source }) => {
      const shape = compiled(source)
      this.#compiled.set(id, shape)
      return [id, shape]
    })
  }
}

/** What SQL stored unchecked may be neither. */
function compiled(source: ShapeSource): Shape {
  try {
    return compileShape(source)
  } catch {
    return brokenShape(
      shapeComplaints(source)
        .map(({ path, message }) => `${path}: ${message}`)
        .join('; '),
    )
  }
}
