import { randomBytes, scrypt, type ScryptOptions, timingSafeEqual } from 'node:crypto'
import { PostriderError } from '../contract/errors.ts'

/**
 * Passwords are stored as `scrypt$<log2 N>$<r>$<p>$<salt>$<hash>`: the parameters stand in each, so that they may grow.
 * These are those of OWASP for 32 MiB, a quarter of a second.
 */
const log2N = 15
const blockSize = 8
const parallelization = 3
const hashBytes = 32

const storedForm = /^scrypt\$(\d{1,2})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9_-]+)\$([A-Za-z0-9_-]{43})$/

export async function hashPassword(password: string): Promise<string> {
  return stored(password, randomBytes(16))
}

/** Takes the same time for somebody who has no password, or does not exist. */
export async function isRightPassword(password: string, hash: string | null | undefined): Promise<boolean> {
  const [, n, r, p, salt, expected] = storedForm.exec(hash ?? noPassword) ?? []
  if (salt === undefined || expected === undefined) return false
  const cost = { N: 2 ** Number(n), r: Number(r), p: Number(p) }
  const given = await derive(password, Buffer.from(salt, 'base64url'), cost)
  return timingSafeEqual(given, Buffer.from(expected, 'base64url'))
}

/** Whether it was stored with other parameters than today's, and should be stored anew when it is known. */
export function isOutdated(hash: string): boolean {
  return !hash.startsWith(`scrypt$${log2N}$${blockSize}$${parallelization}$`)
}

async function stored(password: string, salt: Buffer): Promise<string> {
  const hash = await derive(password, salt, { N: 2 ** log2N, r: blockSize, p: parallelization })
  return ['scrypt', log2N, blockSize, parallelization, text(salt), text(hash)].join('$')
}

/** No password has this hash. */
const noPassword = [
  'scrypt',
  log2N,
  blockSize,
  parallelization,
  text(Buffer.alloc(16)),
  text(Buffer.alloc(hashBytes)),
].join('$')

function text(bytes: Buffer): string {
  return bytes.toString('base64url')
}

/** Half of the threads that Node has for files, names and this. */
const mostAtOnce = 2
const mostWaiting = 100
let running = 0
const waiting: (() => void)[] = []

/** A flood of logins gets neither all the threads nor all the memory. */
async function derive(password: string, salt: Buffer, cost: ScryptOptions): Promise<Buffer> {
  if (running >= mostAtOnce) {
    if (waiting.length >= mostWaiting) {
      throw new PostriderError('rate_limited', 'Too many people log in at this moment. Try again.', {
        retryAfterSeconds: 5,
      })
    }
    await new Promise<void>((resolve) => waiting.push(resolve))
  } else running += 1
  try {
    return await scryptOf(password, salt, cost)
  } finally {
    const next = waiting.shift()
    if (next) next()
    else running -= 1
  }
}

function scryptOf(password: string, salt: Buffer, cost: ScryptOptions): Promise<Buffer> {
  const options = { ...cost, maxmem: 256 * 1_024 * 1_024 }
  return new Promise((resolve, reject) => {
    // The same characters may be typed in different ways on different machines.
    scrypt(password.normalize('NFKC'), salt, hashBytes, options, (error, hash) =>
      error ? reject(error) : resolve(hash),
    )
  })
}
