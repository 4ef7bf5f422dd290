import { type ReactNode, useEffect } from 'react'
import { Link } from 'wouter'
import { Icon } from './icons.tsx'

interface PageProps {
  title: string
  /** Beside the title, such as a state. */
  mark?: ReactNode
  /** Above the title: where this belongs. */
  parent?: { word: string; to: string }
  /** To the right: range, switches, the main action. */
  actions?: ReactNode
  about?: ReactNode
  children: ReactNode
}

export function Page({ title, mark, parent, actions, about, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · Postrider`
    // Another page begins at its beginning, as one whose form has become the secret that it made.
    scrollTo(0, 0)
  }, [title])
  return (
    <div className="page">
      <div className="page-head">
        <div className="page-title">
          {parent && (
            <Link href={parent.to} className="page-parent">
              <Icon name="left" size={12} />
              {parent.word}
            </Link>
          )}
          <div className="row wrap">
            <h1>{title}</h1>
            {mark}
          </div>
          {about && <div className="page-about">{about}</div>}
        </div>
        {actions && <div className="page-actions">{actions}</div>}
      </div>
      {children}
    </div>
  )
}

export function Card({
  title,
  end,
  children,
  flush = false,
}: {
  title?: ReactNode
  end?: ReactNode
  children: ReactNode
  flush?: boolean
}) {
  return (
    <section className="card">
      {title !== undefined && (
        <div className="card-head">
          <h2>{title}</h2>
          {end}
        </div>
      )}
      <div className={flush ? 'card-flush' : 'card-body'}>{children}</div>
    </section>
  )
}

/** Names and values, one under the other. */
export function Facts({ facts }: { facts: [string, ReactNode][] }) {
  return (
    <dl className="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}
