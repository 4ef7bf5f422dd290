import { describe, expect, it } from 'vitest'

/**
 * The protocol of claims, leases and results as a model small enough to explore whole: one delivery, two workers, and
 * everything that may happen between two of their steps, in every order. What ARCHITECTURE.md says under "Who holds a
 * delivery" is what the steps here do; `invariants.test.ts` runs the same steps against the real tables.
 */

interface WorkerState {
  /** Its row is there, its lease ran out and the row is still there, or somebody deleted the row. */
  row: 'none' | 'alive' | 'expired' | 'deleted'
  /** The row's `in_flight`: the number of the try it may be making, 0 for none. */
  noted: number
  /** The row says that it is sent with nothing else in flight. */
  alone: boolean
  /** What the process itself knows: nothing, a try that it may begin or has begun; or it crashed. */
  knows: 'nothing' | 'claimed' | 'sent' | 'dead'
}

interface State {
  place: 'queue' | 'in flight' | 'finished'
  attempts: number
  rescues: number
  /** Sends that began after the delivery was finished. */
  sendsAfterFinish: number
  /** Numbers under which it was sent. */
  sent: readonly number[]
  /** Two sends had the same one. */
  sentTwice: boolean
  /** It was cut off too often, and the last time it was only claimed. */
  failedUnsent: boolean
  /** Numbers of tries with a row, in the order they were written. */
  rows: readonly number[]
  workers: readonly [WorkerState, WorkerState]
}

const maxRescues = 3

const initial: State = {
  place: 'queue',
  attempts: 0,
  rescues: 0,
  sendsAfterFinish: 0,
  sent: [],
  sentTwice: false,
  failedUnsent: false,
  rows: [],
  workers: [
    { row: 'none', noted: 0, alone: false, knows: 'nothing' },
    { row: 'none', noted: 0, alone: false, knows: 'nothing' },
  ],
}

type Step = [name: string, next: State]

/** Which details of the protocol are left out, to see that the exploration would notice. */
interface Without {
  fence?: true
  tryNumber?: true
  leaseCheckBeforeSend?: true
  note?: true
  /** One that would fail at the next crash is sent like any other, and counted like any other. */
  lastChance?: true
  /** It is sent without being noted before. */
  noteAlone?: true
}

function steps(state: State, without: Without): Step[] {
  return ([0, 1] as const).flatMap((index) => stepsOf(state, index, without))
}

function stepsOf(state: State, index: 0 | 1, without: Without): Step[] {
  const worker = state.workers[index]
  const other = state.workers[index === 0 ? 1 : 0]
  const found: Step[] = []
  const set = (changes: Partial<WorkerState>, rest: Partial<State> = {}): State => {
    const changed = { ...worker, ...changes }
    return { ...state, ...rest, workers: index === 0 ? [changed, other] : [other, changed] }
  }
  const isThere = worker.row === 'alive' || worker.row === 'expired'
  const next = state.attempts + state.rescues + 1
  const isLastChance = state.rescues + 1 >= maxRescues && !without.lastChance

  if (worker.row === 'none' || worker.row === 'deleted') {
    // What the life before had claimed and not sent is dropped with it.
    const isDropped = worker.knows === 'claimed' && !without.leaseCheckBeforeSend
    const knows = isDropped || worker.knows === 'dead' ? 'nothing' : worker.knows
    found.push([`${index} begins a life`, set({ row: 'alive', noted: 0, alone: false, knows })])
  }
  if (isThere && worker.knows === 'nothing' && state.place === 'queue') {
    const noted = without.note ? 0 : next
    found.push([`${index} claims`, set({ noted, alone: false, knows: 'claimed' }, { place: 'in flight' })])
    found.push([
      `${index} claims, the answer is lost`,
      set({ noted, alone: false, knows: 'nothing' }, { place: 'in flight' }),
    ])
  }
  // It compares its row with what it knows.
  if (isThere && worker.noted === next && worker.knows === 'nothing' && state.place === 'in flight') {
    found.push([`${index} finds an unknown claim`, set({ knows: 'claimed' })])
  }
  if (isThere && worker.knows === 'claimed' && worker.noted === next && state.place === 'in flight') {
    found.push([`${index} gives it back unsent`, set({ noted: 0, knows: 'nothing' }, { place: 'queue' })])
    if (isLastChance) found.push([`${index} notes that it sends it alone`, set({ alone: true })])
  }
  const maySend = !isLastChance || worker.alone || without.noteAlone
  if (worker.knows === 'claimed' && maySend && (worker.row === 'alive' || without.leaseCheckBeforeSend)) {
    const late = state.place === 'finished' ? 1 : 0
    const isAgain = state.sent.includes(worker.noted)
    found.push([
      `${index} sends`,
      set(
        { knows: 'sent' },
        {
          sendsAfterFinish: state.sendsAfterFinish + late,
          sent: isAgain ? state.sent : [...state.sent, worker.noted],
          sentTwice: state.sentTwice || isAgain,
        },
      ),
    ])
  }
  if (worker.knows === 'sent') {
    const counts =
      (isThere || without.fence) && (worker.noted === next || without.tryNumber) && state.place !== 'finished'
    found.push([
      `${index} writes its result`,
      counts
        ? set(
            { knows: 'nothing', noted: 0 },
            { place: 'finished', attempts: state.attempts + 1, rows: [...state.rows, worker.noted] },
          )
        : set({ knows: 'nothing' }),
    ])
  }
  if (worker.knows !== 'dead') found.push([`${index} crashes`, set({ knows: 'dead' })])
  if (worker.row === 'alive') found.push([`the lease of ${index} runs out`, set({ row: 'expired' })])
  if (worker.row === 'expired') {
    if (worker.knows !== 'dead') found.push([`${index} renews late`, set({ row: 'alive' })])
    // Whoever finds it deletes the row and takes over.
    const isCutOff = worker.noted !== 0 && worker.noted === next && state.place !== 'finished'
    found.push([
      `others end the life of ${index}`,
      isCutOff ? set({ row: 'deleted' }, takenOver(state, worker, isLastChance)) : set({ row: 'deleted' }),
    ])
  }
  return found
}

/** It counts, unless it would have been noted before it was sent. */
function takenOver(state: State, { noted, alone }: WorkerState, isLastChance: boolean): Partial<State> {
  if (isLastChance && !alone) return { place: 'queue' }
  const hasFailed = state.rescues + 1 >= maxRescues
  return {
    place: hasFailed ? 'finished' : 'queue',
    failedUnsent: hasFailed && !alone && !state.sent.includes(noted),
    rescues: state.rescues + 1,
    rows: [...state.rows, noted],
  }
}

/** Every state that can be reached, with the steps that lead out of it. */
function explore(without: Without = {}): Map<string, { state: State; next: string[] }> {
  const seen = new Map<string, { state: State; next: string[] }>()
  const waiting = [initial]
  for (let state = waiting.pop(); state; state = waiting.pop()) {
    const key = JSON.stringify(state)
    if (seen.has(key)) continue
    const reachable = steps(state, without).map(([, next]) => next)
    seen.set(key, { state, next: reachable.map((next) => JSON.stringify(next)) })
    waiting.push(...reachable)
  }
  return seen
}

/** What is wrong with the states that can be reached, by what must always hold. */
function complaints(states: ReturnType<typeof explore>): Set<string> {
  const found = new Set<string>()
  for (const { state } of states.values()) {
    if (state.sendsAfterFinish > 0) found.add('sent after it was recorded as finished')
    if (new Set(state.rows).size < state.rows.length) found.add('two rows for one try')
    if (state.rows.some((number, index) => number !== index + 1)) found.add('a try without its number')
    if (state.sentTwice) found.add('two sends under one number')
    if (state.failedUnsent) found.add('failed, and was only claimed')
    const places = [
      state.place === 'queue',
      ...state.workers.map(({ noted, row }) => isHeld(state, noted, row)),
    ]
    if (state.place !== 'finished' && places.filter(Boolean).length !== 1)
      found.add('not in exactly one place')
  }
  if (canGetStuck(states)) found.add('from some state it is never finished')
  return found
}

function isHeld({ attempts, rescues }: State, noted: number, row: WorkerState['row']): boolean {
  return (row === 'alive' || row === 'expired') && noted === attempts + rescues + 1
}

/** Walks back from the finished states: a state that is not reached so cannot be finished any more. */
function canGetStuck(states: ReturnType<typeof explore>): boolean {
  const before = new Map<string, string[]>()
  for (const [key, { next }] of states) {
    for (const each of next) before.set(each, [...(before.get(each) ?? []), key])
  }
  const finishing = new Set<string>()
  const waiting = [...states].filter(([, { state }]) => state.place === 'finished').map(([key]) => key)
  for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
    if (finishing.has(key)) continue
    finishing.add(key)
    waiting.push(...(before.get(key) ?? []))
  }
  return finishing.size < states.size
}

describe('the protocol of claims, leases and results', () => {
  it('keeps its promises in every order of two workers, crashes, expiries, takeovers and late writes', () => {
    const states = explore()
    expect(states.size).toBeGreaterThan(500)
    expect(complaints(states)).toEqual(new Set())
  })

  it.each<[string, Without, string]>([
    ['the note of a claim in the worker’s row', { note: true }, 'from some state it is never finished'],
    [
      'the look at the lease before sending',
      { leaseCheckBeforeSend: true },
      'sent after it was recorded as finished',
    ],
    [
      'the worker’s row and the number of the try as fences',
      { fence: true, tryNumber: true },
      'two rows for one try',
    ],
    ['the way of a last chance', { lastChance: true }, 'failed, and was only claimed'],
    ['the note before a last chance is sent', { noteAlone: true }, 'two sends under one number'],
  ])('would break without %s', (_what, without, complaint) => {
    expect(complaints(explore(without))).toContain(complaint)
  })
})
