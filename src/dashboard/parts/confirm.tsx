import { Button, Modal, TextInput } from '@mantine/core'
import { type ReactNode, useState } from 'react'

interface ConfirmDeleteProps {
  /** What is asked for, to be written once more. */
  name: string
  /** What goes with it. */
  children: ReactNode
  word?: string
  isPending: boolean
  close: () => void
  confirm: () => void
}

/** Deleting asks for the name: a click in the wrong place must not be enough. */
export function ConfirmDelete({
  name,
  children,
  word = 'Delete',
  isPending,
  close,
  confirm,
}: ConfirmDeleteProps) {
  const [text, setText] = useState('')
  const isRight = text.trim() === name.trim()
  return (
    <Modal opened onClose={close} title={`${word} ${name}?`} size={440}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault()
          if (isRight) confirm()
        }}
      >
        <div className="soft">{children}</div>
        <TextInput
          label={
            <>
              Write <span className="mono anywhere">{name}</span> to confirm
            </>
          }
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          autoComplete="off"
          data-autofocus
        />
        <div className="row end">
          <Button variant="default" onClick={close}>
            Keep it
          </Button>
          <Button type="submit" color="red" disabled={!isRight} loading={isPending}>
            {word}
          </Button>
        </div>
      </form>
    </Modal>
  )
}
