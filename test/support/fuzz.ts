import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import type { Ground } from './fuzz-ground.ts'
import { Player } from './fuzz-run.ts'
import { type Document, stepsOf } from './fuzz-steps.ts'
import { document as checked } from './openapi.ts'

export interface FuzzOptions {
  /** How many to make at least. */
  requests: number
  seed: number
  /** Where in the seed's scripts to begin, as a failure tells it. */
  path?: string | undefined
  onProgress?: (requests: number) => void
}

export interface FuzzReport {
  requests: number
  seconds: number
  /** How often each operation was answered with each status. */
  statuses: Map<string, Map<number, number>>
}

/**
 * Asks of the API whatever its OpenAPI document allows, and a good deal that it does not, in scripts of up to 40 requests
 * that build on each other. Throws with the shortest script that it finds for the first answer that may not be.
 */
export async function fuzz(
  ground: Ground,
  { requests, seed, path, onProgress }: FuzzOptions,
): Promise<FuzzReport> {
  const document = (await (await fetch(`${ground.url}/openapi.json`)).json()) as Document
  if (!isDeepStrictEqual(document.paths, checked.paths))
    throw new Error('the served document is not the checked one')
  const player = await Player.start(ground, document)
  const startMs = performance.now()
  const scripts = fc.array(stepsOf(document), { minLength: 1, maxLength: 40, size: 'max' })
  const property = fc.asyncProperty(scripts, (steps) => player.play(steps))
  try {
    // In rounds: how many scripts it takes is not known before.
    for (let round = 0; player.requests < requests; round += 1) {
      await fc.assert(property, {
        seed: seed + round,
        numRuns: scriptsInRound,
        includeErrorInReport: true,
        // For looking for a shorter script, too.
        interruptAfterTimeLimit: 60_000,
        ...(path !== undefined && { path }),
      })
      onProgress?.(player.requests)
      if (path !== undefined) break
    }
  } finally {
    player.close()
  }
  return {
    requests: player.requests,
    seconds: (performance.now() - startMs) / 1_000,
    statuses: player.statuses,
  }
}

const scriptsInRound = 10

/** A table for people: what was asked, and what came of it. */
export function reportOf({ requests, seconds, statuses }: FuzzReport): string {
  const rows = [...statuses]
    .toSorted(([one], [other]) => one.localeCompare(other))
    .map(([operation, counts]) => {
      const told = [...counts].toSorted(([one], [other]) => one - other)
      return `${operation.padEnd(28)}${told.map(([status, count]) => `${status}: ${count}`).join('  ')}`
    })
  return [...rows, `${requests} requests in ${seconds.toFixed(1)} s`].join('\n')
}
