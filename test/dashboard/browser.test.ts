import { afterAll, beforeAll, describe } from 'vitest'
import { browserMissing } from './browser.ts'
import { eventTypes } from './event-types.ts'
import { hostileContent } from './hostile.ts'
import { everyPage } from './pages.ts'
import { openStage, type Stage } from './stage.ts'
import { ownSettings } from './settings.ts'
import { sickEndpoints } from './sickness.ts'
import { storyOfAFailure } from './story.ts'
import { dailyWork } from './work.ts'

if (browserMissing) {
  process.stderr.write('The dashboard is not tested in a browser: name a Chromium in TEST_CHROMIUM.\n')
}
/** What a browser shows is the same on any PostgreSQL: once is enough for CI. */
const isOnOtherPostgres = process.env['TEST_POSTGRES_BIN'] !== undefined

// One file, since one browser and one server are enough: starting them takes as long as a test.
describe.skipIf(browserMissing || isOnOtherPostgres)(
  'the dashboard in a browser',
  { timeout: 120_000 },
  () => {
    let stage: Stage
    beforeAll(async () => {
      stage = await openStage()
    }, 120_000)
    afterAll(() => stage[Symbol.asyncDispose]())

    storyOfAFailure(() => stage)
    dailyWork(() => stage)
    ownSettings(() => stage)
    sickEndpoints(() => stage)
    eventTypes(() => stage)
    everyPage(() => stage)
    hostileContent(() => stage)
  },
)
