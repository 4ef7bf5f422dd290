import { listenToSignals } from '../until-signal.ts'

/** Aborted by the first SIGINT, SIGTERM or SIGHUP; a second one ends the process at once. */
export function untilSignal(): AbortController {
  const ending = new AbortController()
  listenToSignals(() => ending.abort())
  return ending
}
