import type { AnswerOf } from '../../client/client.ts'
import type { Session } from '../remote/session.ts'

export type RegisteredType = AnswerOf<'getEventType'>

/** All types that the project has, by their names. */
export async function readRegistered(session: Session): Promise<RegisteredType[]> {
  const project = await session.project()
  const types: RegisteredType[] = []
  for await (const type of project.listEventTypes({ limit: 100 })) types.push(type)
  return types.toSorted((one, other) => (one.name < other.name ? -1 : 1))
}

export function inWords(types: number): string {
  return types === 1 ? '1 event type' : `${types} event types`
}
