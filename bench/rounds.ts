import type { Case } from './cases/case.ts'
import type { Bench } from './ground.ts'
import type { Figures } from './measure.ts'

/** Figures of each round, by contestant. */
export type CaseResults = ReadonlyMap<string, readonly Figures[]>

/** By case. */
export type Results = ReadonlyMap<string, CaseResults>

/** Contestants in turn, round after round, so that what changes on the machine changes for all of them. */
export async function runRounds(
  bench: Bench,
  { name, contestants }: Case,
  { rounds, progress }: { rounds: number; progress: (message: string) => void },
): Promise<CaseResults> {
  const taking = contestants.filter(({ longOnly = false }) => !(bench.short && longOnly))
  const results = new Map<string, Figures[]>(taking.map(({ name }) => [name, []]))
  for (let round = 1; round <= rounds; round++) {
    for (const contestant of taking) {
      progress(`${name}, round ${round} of ${rounds}: ${contestant.name}`)
      results.get(contestant.name)!.push(await contestant.run(bench))
    }
  }
  // Small ones may stay, for the next case.
  if (!bench.short) await bench.postgres.dropTemplates()
  return results
}

/** One figure of a contestant, round by round; undefined where it was not measured. */
export function series(
  results: Results,
  name: string,
  contestant: string,
  figure: string,
): number[] | undefined {
  return results
    .get(name)
    ?.get(contestant)
    ?.map((figures) => figures[figure]!)
}
