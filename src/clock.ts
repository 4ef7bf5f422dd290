/** Where the engine gets its time from. Everything that decides by time takes `now` from one of these. */
export interface Clock {
  now(): Date
}

/** The machine's own clock, for what needs no agreement with other processes. */
export const systemClock: Clock = { now: () => new Date() }
