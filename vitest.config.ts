import { defineConfig } from 'vitest/config'
import { compileCache } from './test/support/compile-cache.ts'

/** What says nothing of the PostgreSQL that it runs on: on another one it need not run again. */
const ofNoPostgres = [
  'test/{adapters,bench,chaos,client,contract,dashboard,event-types,examples,react,shape,testing,verify}/**',
  'test/docs/{blocks,kit,observe,shell,site,types}.test.ts',
  'test/{address,canary,config,crash,deploy,ids,in-process,layers,lifecycle,log,mounted,ports,readme,release,security,traceparent,tracing}.test.ts',
  // Of the API what is of HTTP; its SQL is tried by the others and by the fuzz test.
  'test/api/{access,bad-input,bad-requests,dashboard,docs,large-bodies,login,mounted,oidc,rate-limit,raw-json,server,sessions,turns}.test.ts',
  'test/cli/**',
  'test/database/embedded*.test.ts',
  'test/database/{clock,failover,hosts,upgrade}.test.ts',
  'test/deliver/{backoff,egress-proxy,guard,held-connections,hostile,hostile-worker,judge,killer,load,protocol,rebinding,redact,resolve,send,sign,test-words,tls,ways-in}.test.ts',
  'test/registry/{headers,secret,url}.test.ts',
]

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: process.env['TEST_POSTGRES_BIN'] ? ofNoPostgres : [],
    globalSetup: 'test/support/global-setup.ts',
    env: compileCache,
    // A test that starts a server of its own needs longer than the usual 5 s on a busy machine.
    testTimeout: 20_000,
    hookTimeout: 60_000,
    teardownTimeout: 30_000,
    // Something real is waited for, and 1 s is little for it.
    expect: { poll: { timeout: 15_000 } },
    // On a machine with other work a wait may be too short: CI tries such a test once more, and tells which those were. A
    // counterexample that was found is no accident.
    ...(process.env['CI'] ? { retry: { count: 1, condition: /^(?!Property failed)/ } } : {}),
  },
})
