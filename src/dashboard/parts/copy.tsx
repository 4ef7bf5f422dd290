import { UnstyledButton } from '@mantine/core'
import type { ReactNode } from 'react'
import { Link } from 'wouter'
import { Icon } from './icons.tsx'
import { useMoment } from './time.tsx'
import { shortId } from './words.ts'

export function CopyButton({ text, label, word }: { text: string; label: string; word?: string }) {
  const [isCopied, markCopied] = useMoment()
  return (
    <UnstyledButton
      className={word ? 'copy copy-word' : 'copy'}
      aria-label={isCopied ? 'Copied' : label}
      title={label}
      onClick={(event) => {
        event.stopPropagation()
        event.preventDefault()
        void copy(text).then(markCopied)
      }}
    >
      <Icon name={isCopied ? 'delivered' : 'copy'} size={14} />
      {word && <span>{isCopied ? 'Copied' : word}</span>}
    </UnstyledButton>
  )
}

/** The clipboard's own interface is there on https and localhost only. */
async function copy(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text)
  const area = document.createElement('textarea')
  area.value = text
  area.className = 'visually-hidden'
  document.body.append(area)
  area.select()
  document.execCommand('copy')
  area.remove()
}

interface IdProps {
  id: string
  whole?: boolean
  /** The page of what it names. */
  to?: string
}

/** A monospaced id with a button that copies it. */
export function Id({ id, whole = false, to }: IdProps) {
  const text = whole ? id : shortId(id)
  return (
    <span className="id">
      {to === undefined ? (
        <span className="mono" title={id}>
          {text}
        </span>
      ) : (
        <Link href={to} className="mono" title={id}>
          {text}
        </Link>
      )}
      <CopyButton text={id} label={`Copy ${id}`} />
    </span>
  )
}

/** Text as it stands, never as markup, with a button that copies it. */
export function Code({ text, label, children }: { text: string; label?: string; children?: ReactNode }) {
  return (
    <figure className="code">
      <figcaption>
        <span>{label ?? ''}</span>
        <CopyButton text={text} label={`Copy ${label ?? 'this'}`} word="Copy" />
      </figcaption>
      {/* Scrolls, so that it must be reached by keyboard. */}
      <pre tabIndex={0} role="region" aria-label={label ?? 'Code'} dir="ltr">
        {children ?? text}
      </pre>
    </figure>
  )
}
