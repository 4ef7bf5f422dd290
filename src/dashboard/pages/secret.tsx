import { SegmentedControl } from '@mantine/core'
import { useState } from 'react'
import type { Webhook } from '../api/types.ts'
import { Code, CopyButton } from '../parts/copy.tsx'
import { Icon } from '../parts/icons.tsx'
import { type Language, languages, receiverSnippet } from './snippets.ts'

/** A secret that is shown this once, or a public key that is shown later too. */
export function Secret({ secret, publicKey }: { secret: string | null; publicKey?: string | null }) {
  const text = secret ?? publicKey ?? ''
  return (
    <div className="secret">
      <div className="secret-box">
        <code data-testid="secret">{text}</code>
        <CopyButton
          text={text}
          label={secret === null ? 'Copy the public key' : 'Copy the secret'}
          word="Copy"
        />
      </div>
      {secret !== null && (
        <p className="row soft small">
          <span className="amber">
            <Icon name="warning" size={14} />
          </span>
          It is shown this once. Put it where the receiver reads it, as <code>WEBHOOK_SECRET</code>.
        </p>
      )}
    </div>
  )
}

interface ReceiverSnippetProps {
  webhook: Pick<Webhook, 'url' | 'signature_scheme'>
}

export function ReceiverSnippet({ webhook: { url, signature_scheme } }: ReceiverSnippetProps) {
  const [language, setLanguage] = useState<Language>('typescript')
  const path = URL.parse(url)?.pathname ?? '/'
  return (
    <div className="stack close">
      <SegmentedControl
        className="segments"
        size="xs"
        aria-label="Language"
        value={language}
        onChange={(value) => setLanguage(value)}
        data={languages.map(({ value, label }) => ({ value, label }))}
      />
      <Code text={receiverSnippet(language, { path, scheme: signature_scheme })} label="Receiver" />
    </div>
  )
}
