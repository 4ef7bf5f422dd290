import type { ReactNode } from 'react'
import { Button } from '@mantine/core'
import { useLocation } from 'wouter'

export interface Column<Row> {
  name: string
  head: ReactNode
  cell: (row: Row) => ReactNode
  /** How it stands: figures to the right. */
  align?: 'right'
  /** Gives way where there is little room. */
  narrow?: 'hidden'
  /** Takes the room that is left; `most`: more than half. */
  isWide?: boolean | 'most'
}

interface TableProps<Row> {
  label: string
  columns: Column<Row>[]
  rows: Row[]
  keyOf: (row: Row) => string
  /** Where a click on a row leads; its first link leads there by keyboard. */
  to?: (row: Row) => string
}

export function Table<Row>({ label, columns, rows, keyOf, to }: TableProps<Row>) {
  const [, navigate] = useLocation()
  return (
    <div className="table-scroll" tabIndex={0} role="region" aria-label={label}>
      {/* The roles stand for themselves: where there is little room, rows are laid out as cards. */}
      <table className="table" role="table">
        <thead role="rowgroup">
          <tr role="row">
            {columns.map(({ name, head, align, narrow, isWide }) => (
              <th key={name} scope="col" role="columnheader" className={classOf(align, narrow, isWide)}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr
              key={keyOf(row)}
              role="row"
              className={to ? 'row-link' : undefined}
              onClick={(event) => {
                if (to && !isControl(event.target) && !getSelection()?.toString()) navigate(to(row))
              }}
            >
              {columns.map(({ name, head, cell, align, narrow, isWide }) => (
                <td
                  key={name}
                  role="cell"
                  className={classOf(align, narrow, isWide)}
                  data-head={align === 'right' && typeof head === 'string' ? head : undefined}
                >
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function classOf(
  align: 'right' | undefined,
  narrow: 'hidden' | undefined,
  isWide: boolean | 'most' | undefined,
): string {
  return [
    align === 'right' && 'right',
    narrow && 'narrow-hidden',
    isWide && (isWide === 'most' ? 'wide most' : 'wide'),
  ]
    .filter(Boolean)
    .join(' ')
}

function isControl(target: EventTarget): boolean {
  return target instanceof Element && target.closest('a, button, input, label, [role=button]') !== null
}

export function More({
  query,
  word = 'Show more',
}: {
  word?: string
  query: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown }
}) {
  if (!query.hasNextPage) return null
  return (
    <div className="more">
      <Button variant="default" loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
        {word}
      </Button>
    </div>
  )
}
