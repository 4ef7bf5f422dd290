import { Json } from './json.tsx'
import { Card } from './page.tsx'
import { Ago } from './time.tsx'

/** What was published, or why it is not there any more. */
export function Payload({ of }: { of: { payload: unknown; payload_expired_at: string | null } }) {
  if (of.payload_expired_at === null) return <Json value={of.payload} label="Payload" />
  return (
    <Card title="Payload">
      <p className="soft">
        Deleted <Ago at={of.payload_expired_at} />, with what receivers answered: this project keeps payloads
        for a shorter time than the history. It cannot be sent again.
      </p>
    </Card>
  )
}
