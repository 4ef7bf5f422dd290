import { Button, Modal } from '@mantine/core'
import { CopyButton } from '../parts/copy.tsx'
import { Ago } from '../parts/time.tsx'

/** A link that is shown this once, for somebody else. */
export function LinkToSend({
  title,
  url,
  expiresAt,
  close,
}: {
  title: string
  url: string
  expiresAt: string
  close: () => void
}) {
  return (
    <Modal opened onClose={close} title={title} size={560} closeOnClickOutside={false}>
      <div className="stack">
        <div className="secret-box">
          <code>{url}</code>
          <CopyButton text={url} label="Copy the link" word="Copy" />
        </div>
        <p className="soft small">
          It is shown this once and can be used once. It ends <Ago at={expiresAt} />.
        </p>
        <div className="row end">
          <Button onClick={close}>I have it</Button>
        </div>
      </div>
    </Modal>
  )
}
