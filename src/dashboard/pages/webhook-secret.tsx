import { Button, NativeSelect } from '@mantine/core'
import { useState } from 'react'
import { useProjectChange } from '../api/queries.ts'
import type { RotatedSecret, Webhook } from '../api/types.ts'
import { CopyButton } from '../parts/copy.tsx'
import { Card } from '../parts/page.tsx'
import { Badge } from '../parts/status.tsx'
import { Countdown } from '../parts/time.tsx'
import { useMay } from '../shell/project.ts'
import { ReceiverSnippet, Secret } from './secret.tsx'

const overlaps = [
  { value: '0', label: 'ends at once' },
  { value: '3600', label: 'signs for 1 hour more' },
  { value: '86400', label: 'signs for 24 hours more' },
  { value: '604800', label: 'signs for 7 days more' },
]

export function WebhookSecret({ webhook }: { webhook: Webhook }) {
  const mayManage = useMay('manage')
  return (
    <div className="stack narrow">
      {webhook.public_keys.length > 0 && (
        <Card title="Public keys">
          <ul className="stack tight">
            {webhook.public_keys.map((key) => (
              <li className="row" key={key}>
                <code className="anywhere">{key}</code>
                <CopyButton text={key} label="Copy the public key" />
              </li>
            ))}
          </ul>
        </Card>
      )}
      <Card title={webhook.signature_scheme === 'v1' ? 'Secret' : 'Private key'}>
        {mayManage ? (
          <Rotation webhook={webhook} />
        ) : (
          <p className="soft">It is shown to nobody after it was made.</p>
        )}
      </Card>
      <Card title="In the receiver">
        <ReceiverSnippet webhook={webhook} />
      </Card>
    </div>
  )
}

function Rotation({ webhook }: { webhook: Webhook }) {
  const [overlap, setOverlap] = useState('86400')
  const rotate = useProjectChange<string, RotatedSecret>((send, seconds) =>
    send('POST', `/webhooks/${webhook.id}/regenerate-secret`, { overlap_seconds: Number(seconds) }),
  )
  const overlapEnd = webhook.previous_secret_expires_at
  return (
    <div className="stack">
      {rotate.data && <Secret secret={rotate.data.secret} publicKey={rotate.data.public_key} />}
      {overlapEnd && <Overlap until={overlapEnd} />}
      {!rotate.data && (
        <>
          <p className="soft">
            It is shown only when it is made. If it is lost or got into wrong hands, make a new one: for a
            while both sign, so that the receiver can change over in between.
          </p>
          <div className="row wrap bottom">
            <NativeSelect
              label="The secret of now"
              value={overlapEnd ? '0' : overlap}
              onChange={(event) => setOverlap(event.currentTarget.value)}
              data={overlapEnd ? overlaps.slice(0, 1) : overlaps}
            />
            <Button
              size="sm"
              loading={rotate.isPending}
              onClick={() => rotate.mutate(overlapEnd ? '0' : overlap)}
            >
              Make a new secret
            </Button>
          </div>
        </>
      )}
      {rotate.error && (
        <p className="red anywhere" role="alert">
          {rotate.error.message}
        </p>
      )}
    </div>
  )
}

/** Told by the server, so that whoever comes later sees it too. */
function Overlap({ until }: { until: string }) {
  return (
    <p className="row wrap">
      <Badge tone="amber" icon="pending">
        Two secrets sign
      </Badge>
      <span className="soft">
        The one before ends in{' '}
        <span className="strong">
          <Countdown to={until} due="0 s: it has ended" />
        </span>
        . Until then a third can only be made if both of these end at once.
      </span>
    </p>
  )
}
