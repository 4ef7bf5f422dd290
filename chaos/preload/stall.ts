import { Socket } from 'node:net'

/**
 * Stops this process, once, when it is about to connect to port CHAOS_STALL_PORT: after it decided to send, before
 * anything was sent. SIGCONT lets it go on.
 */
const port = Number(process.env['CHAOS_STALL_PORT'])
// oxlint-disable-next-line typescript/unbound-method
const connect = Socket.prototype.connect as (...args: unknown[]) => Socket

Socket.prototype.connect = function (this: Socket, ...args: unknown[]): Socket {
  if (portOf(args) !== port) return connect.apply(this, args)
  Socket.prototype.connect = connect
  process.kill(process.pid, 'SIGSTOP')
  return connect.apply(this, args)
}

/** `net.connect` hands its arguments over as an array. */
function portOf([first]: unknown[]): number {
  const options: unknown = Array.isArray(first) ? first[0] : first
  return options instanceof Object && 'port' in options ? Number(options.port) : 0
}
