import { SegmentedControl } from '@mantine/core'
import { Fragment, useState } from 'react'
import { CopyButton } from './copy.tsx'
import { visible } from './words.ts'

/**
 * A value as a tree that opens and closes, or as text. Written here and not taken from a library, so that numbers are
 * shown to the digit and text that would turn its surroundings around is shown escaped. Nothing of it is rendered.
 */
export function Json({ value, label }: { value: unknown; label: string }) {
  const [look, setLook] = useState('tree')
  const text = JSON.stringify(value, null, 2)
  const isTree = isBranch(value)
  return (
    <figure className="code">
      <figcaption>
        <span>{label}</span>
        {isTree && (
          <SegmentedControl
            size="xs"
            className="segments small"
            aria-label={`${label}: how it is shown`}
            value={look}
            onChange={setLook}
            data={[
              { value: 'tree', label: 'Tree' },
              { value: 'text', label: 'Text' },
            ]}
          />
        )}
        <CopyButton text={text} label={`Copy ${label}`} word="Copy" />
      </figcaption>
      {isTree && look === 'tree' ? (
        <div className="json" tabIndex={0} role="region" aria-label={label} dir="ltr">
          <Branch value={value} />
        </div>
      ) : (
        <pre tabIndex={0} role="region" aria-label={label} dir="ltr">
          {visible(text)}
        </pre>
      )}
    </figure>
  )
}

type BranchValue = unknown[] | Record<string, unknown>

/** What is deeper or longer than this is closed at first. */
const openDepth = 4
const openLength = 40

function Branch({ name, value, depth = 0 }: { name?: string; value: BranchValue; depth?: number }) {
  const entries: [string | undefined, unknown][] = Array.isArray(value)
    ? value.map((item) => [undefined, item])
    : Object.entries(value)
  const [opening, closing] = Array.isArray(value) ? ['[', ']'] : ['{', '}']
  if (entries.length === 0) return <Line name={name} text={opening + closing} kind="mark" />
  return (
    <details
      className="json-branch"
      open={depth < openDepth && (depth === 0 || entries.length <= openLength)}
    >
      <summary>
        <Name name={name} />
        <span className="json-mark">{opening}</span>
        <span className="json-folded">
          … {entries.length} {closing}
        </span>
      </summary>
      <div className="json-inner">
        {entries.map(([inner, item], index) => (
          <Fragment key={inner ?? index}>
            {isBranch(item) ? (
              <Branch name={inner} value={item} depth={depth + 1} />
            ) : (
              <Line name={inner} {...leaf(item)} />
            )}
          </Fragment>
        ))}
      </div>
      <div className="json-mark json-end">{closing}</div>
    </details>
  )
}

function Line({ name, text, kind }: { name?: string; text: string; kind: string }) {
  return (
    <div className="json-line">
      <Name name={name} />
      <span className={`json-${kind}`}>{text}</span>
    </div>
  )
}

function Name({ name }: { name: string | undefined }) {
  return name === undefined ? null : <span className="json-name">{visible(name)}: </span>
}

function leaf(value: unknown): { text: string; kind: string } {
  if (typeof value === 'string') return { text: visible(JSON.stringify(value)), kind: 'string' }
  if (value === null) return { text: 'null', kind: 'null' }
  return { text: JSON.stringify(value), kind: typeof value === 'boolean' ? 'boolean' : 'number' }
}

/** A number that a double cannot hold is an object of its own that prints as its digits: no branch. */
function isBranch(value: unknown): value is BranchValue {
  return (
    typeof value === 'object' &&
    value !== null &&
    (Array.isArray(value) || Object.getPrototypeOf(value) !== null)
  )
}
