// Adds up Vitest's JSON reports: "N passed, N failed" alone on the last line. Exits 1 where a test failed or none ran.
const { readFileSync } = require('node:fs')

let passed = 0
let failed = 0
for (const file of process.argv.slice(2)) {
  const report = JSON.parse(readFileSync(file, 'utf8'))
  passed += report.numPassedTests
  // A file that cannot be loaded has no tests to fail.
  failed += Math.max(report.numFailedTests, report.success ? 0 : 1)
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0
