import { Socket } from 'node:net'

/** Kills this process when it begins to send something that holds the text CHAOS_POISON. */
const poison = Buffer.from(process.env['CHAOS_POISON'] ?? '')
// oxlint-disable-next-line typescript/unbound-method
const write = Socket.prototype.write as (...args: unknown[]) => boolean

Socket.prototype.write = function (this: Socket, ...args: unknown[]): boolean {
  const [chunk] = args
  if (typeof chunk === 'string' || chunk instanceof Uint8Array) {
    if (Buffer.from(chunk as Uint8Array).includes(poison)) process.kill(process.pid, 'SIGKILL')
  }
  return write.apply(this, args)
}
