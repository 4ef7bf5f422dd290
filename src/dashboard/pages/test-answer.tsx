import type { TestResult } from '../api/types.ts'
import { Icon } from '../parts/icons.tsx'
import { AnswerCode } from '../parts/status.tsx'
import { durationWords } from '../parts/words.ts'

interface TestAnswerProps {
  test: { data: TestResult | undefined; error: Error | null; isPending: boolean }
}

/** What a test send was answered. */
export function TestAnswer({ test: { data, isPending } }: TestAnswerProps) {
  if (isPending || !data) return null
  const words = data.message ?? data.error ?? ''
  return (
    <div className={data.success ? 'test-answer green' : 'test-answer red'} role="status">
      <Icon name={data.success ? 'delivered' : 'failed'} />
      <span className="strong">{data.success ? 'The test arrived' : 'The test failed'}</span>
      {data.response_status !== null && <AnswerCode status={data.response_status} />}
      {data.response_time_ms !== null && (
        <span className="num">in {durationWords(data.response_time_ms)}</span>
      )}
      <span className="anywhere">{words}</span>
    </div>
  )
}
