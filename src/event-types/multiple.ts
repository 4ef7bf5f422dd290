import { spend } from './meter.ts'

/**
 * Whether a number is a whole multiple of another, as both are written: 19.99 is one of 0.01, though the quotient of the
 * doubles is 1998.9999999999998. Amounts of money are told this way.
 */
export function isMultipleOf(step: number, value: number): boolean {
  if (Number.isSafeInteger(step) && Number.isSafeInteger(value)) return value % step === 0
  if (!Number.isFinite(step) || !Number.isFinite(value)) return false
  const [one, other] = [decimalOf(step), decimalOf(value)]
  const exponent = Math.min(one.exponent, other.exponent)
  // 1.5 µs, and 5 where a number of 600 digits is divided.
  spend(40 + (Math.abs(one.exponent - other.exponent) >> 3))
  return scaled(other, exponent) % scaled(one, exponent) === 0n
}

/** `digits` times ten to the power of `exponent`. */
interface Decimal {
  digits: bigint
  exponent: number
}

/** Of the shortest text that is this double, which is what was written. */
function decimalOf(value: number): Decimal {
  const [mantissa, exponent] = value.toExponential().split('e') as [string, string]
  const [whole, fraction = ''] = mantissa.split('.') as [string, string?]
  return { digits: BigInt(whole + fraction), exponent: Number(exponent) - fraction.length }
}

/** Some 650 digits at the most: doubles end at 1e-324 and 1e308. */
function scaled({ digits, exponent }: Decimal, to: number): bigint {
  return digits * 10n ** BigInt(exponent - to)
}
