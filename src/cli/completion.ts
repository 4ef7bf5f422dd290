import tab from '@bomb.sh/tab/commander'
import type { Command } from 'commander'

/** The names by which shells and people ask for completion: only then is it loaded. */
export function addCompletion(program: Command): void {
  useSummaries(program)
  tab(program, { completionCommandName: 'completion' })
  const printing = program.commands.find((command) => command.name() === 'completion')
  printing?.hook('preAction', (_program, { args: [shell] }) => {
    if (shell === 'bash') process.stdout.write(wordsWithoutBashCompletion)
  })
}

/** The script asks a function of the package bash-completion for the words, which many a bash is without. */
const wordsWithoutBashCompletion = `declare -F _get_comp_words_by_ref > /dev/null || _get_comp_words_by_ref() {
    cword=$COMP_CWORD words=("\${COMP_WORDS[@]}")
    cur=\${words[cword]} prev=\${words[cword - 1]}
}
`

/** A shell has one line for each command, where help has room for more. */
function useSummaries(program: Command): void {
  for (const command of program.commands) {
    command.description(command.summary() || command.description())
    useSummaries(command)
  }
}
