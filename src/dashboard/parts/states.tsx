import { Button, Skeleton } from '@mantine/core'
import type { ReactNode } from 'react'
import { Code } from './copy.tsx'
import { Icon, type IconName } from './icons.tsx'

/** What a list shows instead of rows: that it loads, that it could not, or how to get the first one. */

export function Loading({ rows = 6, label = 'Loading' }: { rows?: number; label?: string }) {
  return (
    <div className="loading" role="status" aria-label={label}>
      {Array.from({ length: rows }, (_, index) => (
        <div className="loading-row" key={index}>
          <Skeleton height={12} width={`${18 + ((index * 7) % 12)}%`} />
          <Skeleton height={12} width={`${30 + ((index * 11) % 20)}%`} />
          <Skeleton height={12} width={`${12 + ((index * 5) % 9)}%`} />
        </div>
      ))}
    </div>
  )
}

export function Problem({ error, retry }: { error: Error; retry?: () => void }) {
  return (
    <div className="notice" role="alert">
      <span className="notice-icon red">
        <Icon name="warning" size={18} />
      </span>
      <p className="strong">This could not be loaded</p>
      <p className="soft anywhere">{error.message}</p>
      {retry && (
        <Button variant="default" onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  )
}

export interface EmptyProps {
  icon: IconName
  title: string
  children?: ReactNode
  /** A command that makes the first one. */
  curl?: string
  action?: ReactNode
}

export function Empty({ icon, title, children, curl, action }: EmptyProps) {
  return (
    <div className="notice">
      <span className="notice-icon">
        <Icon name={icon} size={18} />
      </span>
      <p className="strong">{title}</p>
      {children && <div className="soft notice-text">{children}</div>}
      {action}
      {curl && <Code text={curl} label="Shell" />}
    </div>
  )
}

/** The three states of what is asked for, and then the answer. */
export function Loaded<Data>({
  query,
  rows,
  children,
}: {
  query: { data: Data | undefined; error: Error | null; refetch: () => unknown }
  rows?: number
  children: (data: Data) => ReactNode
}) {
  if (query.data !== undefined) return children(query.data)
  if (query.error) return <Problem error={query.error} retry={() => void query.refetch()} />
  return <Loading rows={rows} />
}
