import { join } from 'node:path'

/** For the environment of processes that tests start: what one of them compiled, those after it need not compile again. */
export const compileCache = {
  NODE_COMPILE_CACHE: join(import.meta.dirname, '../../node_modules/.cache/tests'),
}
