import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core'

/** The Chromium of an npm package, unpacked once for each checkout. */

const cache = join(import.meta.dirname, '../../node_modules/.cache')

/** The package is for Linux on x64; elsewhere a browser of one's own may be named. */
const ownBrowser = process.env['TEST_CHROMIUM']
export const browserMissing =
  ownBrowser === undefined && (process.platform !== 'linux' || process.arch !== 'x64') && !process.env['CI']

export async function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: ownBrowser ?? (await unpackedBrowser()),
    args: ['--no-sandbox', '--disable-gpu', '--font-render-hinting=none'],
  })
}

async function unpackedBrowser(): Promise<string> {
  const home = join(cache, 'chromium')
  const executable = join(home, 'chromium')
  if (existsSync(executable)) return executable
  await mkdir(cache, { recursive: true })
  const aside = await mkdtemp(`${home}-`)
  const directoryBefore = process.env['TMPDIR']
  try {
    // It unpacks into the directory for temporary files, wherever that is.
    process.env['TMPDIR'] = aside
    const { default: packed } = await import('@sparticuz/chromium')
    await packed.executablePath()
    await rename(aside, home).catch(() => rm(aside, { recursive: true, force: true }))
  } finally {
    if (directoryBefore === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = directoryBefore
  }
  return executable
}

/** A browser of somebody's own, in which nothing may go wrong unseen. */
export interface Visitor extends AsyncDisposable {
  page: Page
  context: BrowserContext
  /** Violations of the policy, dialogs, errors of scripts and of the console: there should be none. */
  faults: string[]
}

export async function visit(browser: Browser, options: BrowserContextOptions = {}): Promise<Visitor> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    locale: 'en-US',
    // Nothing is looked at while it changes its colour.
    reducedMotion: 'reduce',
    ...options,
  })
  context.setDefaultTimeout(20_000)
  const faults: string[] = []
  await context.exposeFunction('reportViolation', (what: string) => faults.push(`policy: ${what}`))
  await context.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => {
      const { reportViolation } = globalThis as unknown as { reportViolation: (what: string) => void }
      reportViolation(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}`)
    })
  })
  const page = await context.newPage()
  page.on('pageerror', (error) => faults.push(`script: ${error.message}`))
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('console', (message) => {
    // What the server refuses is told as an error too, and is none of the page.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      faults.push(message.text())
  })
  return { page, context, faults, [Symbol.asyncDispose]: () => context.close() }
}

const axeSource = createRequire(import.meta.url).resolve('axe-core/axe.min.js')

/** What axe finds on the page as it stands that is serious or worse, in words. */
export async function seriousFaults(page: Page, rules?: string[]): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in globalThis)))
    await page.evaluate(await readFile(axeSource, 'utf8'))
  return page.evaluate(async (only) => {
    interface Found {
      id: string
      impact: string
      nodes: { target: string[]; failureSummary: string }[]
    }
    const { axe } = globalThis as unknown as {
      axe: { run: (options: object) => Promise<{ violations: Found[] }> }
    }
    const { violations } = await axe.run({ resultTypes: ['violations'], ...(only && { runOnly: only }) })
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) =>
        nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')}: ${failureSummary}`),
      )
  }, rules)
}
