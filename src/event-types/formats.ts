import { fullFormats } from 'ajv-formats/dist/formats.js'
import { type KnownFormat, longestOfFormat } from './format-names.ts'
import { spend } from './meter.ts'

/** The rules of the formats. Their expressions are none of the caller's, and none takes more than the square of the length. */
export const formats = Object.fromEntries(
  Object.entries(longestOfFormat).map(([name, longest]) => {
    const rule = ruleOf(name as KnownFormat)
    return [
      name,
      (text: string): boolean => {
        spend(8 + Math.min(text.length, longest))
        return text.length <= longest && rule(text)
      },
    ]
  }),
) as Record<KnownFormat, (text: string) => boolean>

function ruleOf(name: KnownFormat): (text: string) => boolean {
  const format: unknown = fullFormats[name]
  if (format instanceof RegExp) return (text) => format.test(text)
  if (typeof format === 'function') return format as (text: string) => boolean
  return (format as { validate: (text: string) => boolean }).validate
}
