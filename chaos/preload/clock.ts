/**
 * Shifts the wall clock of this process by CHAOS_CLOCK_SHIFT_MS milliseconds. Its monotonic clock stays what it is, as
 * when somebody sets the time of a machine.
 */
const shiftMs = Number(process.env['CHAOS_CLOCK_SHIFT_MS'])
const RealDate = Date
const now = (): number => RealDate.now() + shiftMs

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget) as object,
  apply: () => new RealDate(now()).toString(),
  get: (target, name) => (name === 'now' ? now : (Reflect.get(target, name) as unknown)),
})
