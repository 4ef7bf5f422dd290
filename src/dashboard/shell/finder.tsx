import { Modal } from '@mantine/core'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { type KeyboardEvent, useDeferredValue, useId, useMemo, useState } from 'react'
import { useLocation } from 'wouter'
import { get } from '../api/client.ts'
import { usePath, useProjectId } from '../api/project.ts'
import type { SearchResults } from '../api/types.ts'
import { Icon, type IconName } from '../parts/icons.tsx'
import { places } from './navigation.tsx'
import { useMyProjects } from './project.ts'

interface Found {
  key: string
  kind: string
  word: string
  detail?: string
  icon: IconName
  to: string
}

/** ⌘K: finds pages, projects and webhooks by name, and anything by its id. */
export default function Finder({ close }: { close: () => void }) {
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const [, navigate] = useLocation()
  const found = useFound(useDeferredValue(text.trim()))
  const listId = useId()
  const chosen = Math.min(at, found.length - 1)

  function go(to: string | undefined): void {
    if (to === undefined) return
    close()
    navigate(to)
  }
  function onKeyDown(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step !== undefined) {
      event.preventDefault()
      setAt((chosen + step + found.length) % Math.max(found.length, 1))
    }
    if (event.key === 'Enter') go(found[chosen]?.to)
  }

  return (
    <Modal.Root opened onClose={close} size={560} yOffset="12vh" centered={false} lockScroll={false}>
      <Modal.Overlay backgroundOpacity={0.35} />
      <Modal.Content aria-label="Find" className="finder">
        <div className="finder-field">
          <Icon name="search" />
          <input
            role="combobox"
            aria-expanded="true"
            aria-controls={listId}
            aria-activedescendant={found[chosen] && `${listId}-${chosen}`}
            aria-label="Find an id or a name"
            placeholder="An id, a webhook, a page …"
            value={text}
            onChange={(event) => {
              setText(event.currentTarget.value)
              setAt(0)
            }}
            onKeyDown={onKeyDown}
            data-autofocus
            autoComplete="off"
            spellCheck={false}
          />
        </div>
        <div className="finder-list" role="listbox" id={listId} aria-label="Found">
          {found.map((each, index) => (
            <div
              key={each.key}
              id={`${listId}-${index}`}
              role="option"
              aria-selected={index === chosen}
              className={index === chosen ? 'finder-option chosen' : 'finder-option'}
              onClick={() => go(each.to)}
              onMouseMove={() => setAt(index)}
            >
              <Icon name={each.icon} />
              <span className="truncate">{each.word}</span>
              {each.detail && <span className="truncate muted mono">{each.detail}</span>}
              <span className="finder-kind">{each.kind}</span>
            </div>
          ))}
        </div>
        {found.length === 0 && <p className="finder-none muted">Nothing has this id or name.</p>}
      </Modal.Content>
    </Modal.Root>
  )
}

function useFound(text: string): Found[] {
  const path = usePath()
  const projects = useMyProjects().data
  const things = useSearch(text)
  return useMemo(() => {
    const holds = (field: string) => field.toLowerCase().includes(text.toLowerCase())
    return [
      ...places
        .filter(({ word }) => holds(word))
        .map(({ path: to, word, icon }): Found => ({
          key: `page ${word}`,
          kind: 'Page',
          word,
          icon,
          to: path(to),
        })),
      ...(things ? foundIn(things, path) : []),
      ...(projects ?? [])
        .filter(({ id, name }) => text !== '' && (holds(id) || holds(name)))
        .map(({ id, name }): Found => ({
          key: id,
          kind: 'Project',
          word: name,
          icon: 'overview',
          to: `/projects/${id}`,
        })),
    ].slice(0, 14)
  }, [text, things, projects, path])
}

function foundIn(things: SearchResults, path: (path: string) => string): Found[] {
  return [
    ...things.webhooks.map(({ id, name, url }): Found => ({
      key: id,
      kind: 'Webhook',
      word: name,
      detail: url,
      icon: 'webhooks',
      to: path(`/webhooks/${id}`),
    })),
    ...things.deliveries.map(({ id, event_type }): Found => ({
      key: id,
      kind: 'Delivery',
      word: event_type,
      detail: id,
      icon: 'deliveries',
      to: path(`/deliveries/${id}`),
    })),
    ...things.events.map(({ id, type }): Found => ({
      key: `event ${id}`,
      kind: 'Event',
      word: type,
      detail: id,
      icon: 'send',
      to: path(`/events/${id}`),
    })),
    ...things.applications.map(({ id, name }): Found => ({
      key: id,
      kind: 'Application',
      word: name,
      icon: 'applications',
      to: path('/applications'),
    })),
  ]
}

function useSearch(text: string): SearchResults | undefined {
  const projectId = useProjectId()
  const asked = useQuery({
    queryKey: [projectId, 'search', text],
    queryFn: ({ signal }) => get<SearchResults>(`/projects/${projectId}/search`, { q: text }, signal),
    enabled: text !== '',
    placeholderData: keepPreviousData,
  })
  return text === '' ? undefined : asked.data
}
