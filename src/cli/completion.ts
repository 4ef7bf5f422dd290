import tab from '@bomb.sh/tab/commander'
import type { Command } from 'commander'

/** The names by which shells and people ask for completion: only then is it loaded. */
export function addCompletion(program: Command): void {
  tab(program, { completionCommandName: 'completion' })
}
