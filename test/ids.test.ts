import { expect, test } from 'vitest'
import { v5, validate, version } from 'uuid'
import { idFromKey, isUuid, newId } from '../src/ids.ts'

test('a new id is a UUIDv7, and later ones sort later', () => {
  const ids = Array.from({ length: 1_000 }, newId)
  expect(ids.every((id) => validate(id) && version(id) === 7)).toBe(true)
  expect(ids.toSorted()).toEqual(ids)
})

test('an idempotency key stands for the same id in one project, and another in the next', () => {
  const [project, other] = [newId(), newId()]
  expect(idFromKey(project, 'order 17 ✓')).toBe(v5('order 17 ✓', project))
  expect(idFromKey(project, 'order 17')).toBe(idFromKey(project.toUpperCase(), 'order 17'))
  expect(idFromKey(project, 'order 17')).not.toBe(idFromKey(other, 'order 17'))
  expect(idFromKey(project, 'order 17')).not.toBe(idFromKey(project, 'order 18'))
})

test.each([
  ['0199f0d2-7b3c-7a1e-8f00-000000000001', true],
  ['0199F0D2-7B3C-7A1E-8F00-000000000001', true],
  ['00000000-0000-0000-0000-000000000000', true],
  ['ffffffff-ffff-ffff-ffff-ffffffffffff', true],
  ['0199f0d27b3c7a1e8f00000000000001', false],
  ['{0199f0d2-7b3c-7a1e-8f00-000000000001}', false],
  ['0199f0d2-7b3c-7a1e-8f00-00000000000', false],
  ['', false],
])('whether "%s" is a UUID: %s', (text, answer) => {
  expect(isUuid(text)).toBe(answer)
})
