import { ActionIcon } from '@mantine/core'
import { type ReactNode, useState } from 'react'
import { useProjectChange } from '../api/queries.ts'
import { ConfirmDelete } from './confirm.tsx'
import { Icon } from './icons.tsx'
import type { Column } from './table.tsx'
import { tell, tellError } from './toasts.tsx'

interface Removal<Row> {
  word: 'Delete' | 'Revoke' | 'Remove'
  /** Below the project: `/applications/…`. */
  pathOf: (row: Row) => string
  nameOf: (row: Row) => string
  /** What goes with it, for whoever has to confirm. */
  consequence: string
}

/** The last column of a table, with a button for each row, and the dialog that asks before anything is gone. */
export function useRemoval<Row>({ word, pathOf, nameOf, consequence }: Removal<Row>): {
  column: Column<Row>
  dialog: ReactNode
} {
  const [chosen, setChosen] = useState<Row>()
  const remove = useProjectChange<string, undefined>((send, path) => send('DELETE', path))
  const close = () => setChosen(undefined)
  return {
    column: {
      name: 'remove',
      head: <span className="visually-hidden">{word}</span>,
      align: 'right',
      cell: (row) => (
        <ActionIcon aria-label={`${word} ${nameOf(row)}`} title={word} onClick={() => setChosen(row)}>
          <Icon name="trash" size={15} />
        </ActionIcon>
      ),
    },
    dialog: chosen !== undefined && (
      <ConfirmDelete
        name={nameOf(chosen)}
        word={word}
        isPending={remove.isPending}
        close={close}
        confirm={() =>
          remove.mutate(pathOf(chosen), {
            onSuccess: () => {
              tell(`${nameOf(chosen)} was ${word.toLowerCase()}d`)
              close()
            },
            onError: tellError,
          })
        }
      >
        {consequence}
      </ConfirmDelete>
    ),
  }
}
