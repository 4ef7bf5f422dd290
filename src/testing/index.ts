/** For tests of what publishes and of what receives: `import { startTestPostrider } from 'postrider/testing'`. */
export { startTestPostrider, type TestPostrider, type TestPostriderOptions } from './postrider.ts'
export { type ReceivedRequest, type ReceiverOptions, startReceiver, TestReceiver } from './receiver.ts'
export { signed, type SignedOptions, type SignedRequest, type TestEvent } from './signed.ts'
export { TestTime, type TimeOptions } from './time.ts'
