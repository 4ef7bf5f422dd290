import { Textarea } from '@mantine/core'
import { useState } from 'react'
import { useProjectQuery } from '../api/queries.ts'
import type { WebhookPreset } from '../api/types.ts'
import { ShapePreview, usePreview } from './shape-preview.tsx'
import { type WebhookForm } from './webhook-fields.tsx'
import { templateText } from './webhook-form.ts'

const filterExamples = [
  'event.data.amount > 100',
  'event.environment_name == "production"',
  'event.type.startsWith("invoice.")',
]

/** Which events it gets by what is in them, and what it makes of them, with what would become of one. */
export function ShapeFields({ form }: { form: WebhookForm }) {
  const preview = usePreview(form.fields)
  const { fields } = form
  return (
    <>
      <div className="stack tight">
        <Textarea
          label="Filter"
          description="An expression in CEL over the event: it gets only those for which it is true. Empty: all."
          placeholder={filterExamples[0]}
          className="mono-input"
          autosize
          minRows={1}
          maxRows={6}
          value={fields.filter}
          error={form.problemOf('filter') ?? preview.problemOf('filter')}
          onChange={(event) => form.set({ filter: event.currentTarget.value })}
          onBlur={() => form.leave('filter')}
          spellCheck={false}
        />
        <div className="row wrap">
          <span className="muted small">Examples:</span>
          {filterExamples.map((example) => (
            <button
              type="button"
              className="example mono"
              key={example}
              onClick={() => form.set({ filter: example })}
            >
              {example}
            </button>
          ))}
        </div>
      </div>
      <div className="stack tight">
        <Textarea
          label="Payload template"
          description={
            <>
              JSON that is sent instead of the event. Text such as <code>$.data.amount</code> is a path into
              the event, anything else stays as it is. Empty: the event itself.
            </>
          }
          placeholder={'{\n  "text": "$.type",\n  "amount": "$.data.amount"\n}'}
          className="mono-input"
          autosize
          minRows={3}
          maxRows={16}
          value={fields.payloadTemplate}
          error={form.problemOf('payloadTemplate') ?? preview.problemOf('payload_template')}
          onChange={(event) => form.set({ payloadTemplate: event.currentTarget.value })}
          onBlur={() => form.leave('payloadTemplate')}
          spellCheck={false}
        />
        <Presets form={form} />
      </div>
      {preview.isShaping && <ShapePreview preview={preview} />}
    </>
  )
}

/** What other services take in, ready to be filled in. */
function Presets({ form }: { form: WebhookForm }) {
  const [chosen, setChosen] = useState<WebhookPreset>()
  const presets = useProjectQuery<{ presets: WebhookPreset[] }>('/webhook-presets').data?.presets ?? []
  if (presets.length === 0) return null
  const choose = (preset: WebhookPreset): void => {
    setChosen(preset)
    form.set({
      payloadTemplate: templateText(preset.payload_template),
      // A webhook that has an address has headers, too.
      ...(form.fields.url.trim() === '' && {
        url: preset.url,
        headers: Object.entries(preset.headers).map(([name, value]) => ({ name, value })),
      }),
    })
  }
  return (
    <>
      <div className="row wrap">
        <span className="muted small">Presets:</span>
        {presets.map((preset) => (
          <button
            type="button"
            className="example"
            key={preset.name}
            aria-pressed={preset.name === chosen?.name}
            onClick={() => choose(preset)}
          >
            {preset.title}
          </button>
        ))}
      </div>
      {chosen && <p className="soft small anywhere">{chosen.description}</p>}
    </>
  )
}
