/**
 * The formats that are checked: those of JSON Schema that have a rule of their own, in ASCII, each with the length of the
 * longest text that it is looked for in. Any other name is a note for people, as the standard has it.
 */
export const longestOfFormat = {
  date: 10,
  time: 64,
  'date-time': 64,
  duration: 128,
  email: 320,
  hostname: 254,
  ipv4: 15,
  ipv6: 45,
  uuid: 45,
  uri: 8_192,
  'uri-reference': 8_192,
  'uri-template': 8_192,
  'json-pointer': 8_192,
  'relative-json-pointer': 8_192,
} as const satisfies Record<string, number>

export type KnownFormat = keyof typeof longestOfFormat

export function isKnownFormat(name: unknown): name is KnownFormat {
  return typeof name === 'string' && Object.hasOwn(longestOfFormat, name)
}
