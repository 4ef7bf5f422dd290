import { gzipSync } from 'node:zlib'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { build, type Rolldown } from 'vite'

const entry = resolve(import.meta.dirname, '../../src/client/client.ts')

test('the client is one small module that imports nothing and needs nothing of Node.js', async () => {
  const output = await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      minify: true,
      target: 'es2022',
      modulePreload: false,
      rolldownOptions: { input: entry, preserveEntrySignatures: 'strict' },
    },
  })
  const chunks = [output as Rolldown.RolldownOutput].flat().flatMap((each) => each.output)
  expect(chunks).toHaveLength(1)
  const [{ code, imports, dynamicImports, exports }] = chunks as [Rolldown.OutputChunk]
  expect(imports).toEqual([])
  expect(dynamicImports).toEqual([])
  expect(exports.toSorted()).toEqual(['PostriderApiError', 'PostriderClient'])
  expect(code).not.toMatch(/\b(process|Buffer|require|node:)\b/)
  expect(Buffer.byteLength(code)).toBeLessThan(10_240)
  expect(gzipSync(code).length).toBeLessThan(5_120)
})
