/**
 * The ports that webhooks may use. An HTTP request to a database or a mail server can upset it, and who may name any
 * port can look which are open.
 */

export interface PortPolicy {
  /** `web`, ports (`444`) and ranges of ports (`8000-8100`); `web` by default. */
  allowPorts?: readonly string[] | undefined
  /** Refused whatever `allowPorts` says. */
  denyPorts?: readonly string[] | undefined
}

export type PortRule = (port: number) => boolean

/**
 * Whether a port may be used: named by `allowPorts` and not by `denyPorts`. `web` stands for 80, 443 and those from
 * 1024 that belong to no other well-known service. Throws a `RangeError` where the policy holds something else.
 *
 *     const mayUse = portRule({ allowPorts: ['web', '444'], denyPorts: ['8080'] })
 */
export function portRule({ allowPorts = ['web'], denyPorts = [] }: PortPolicy): PortRule {
  const allowed = allowPorts.map(parsePorts)
  const denied = denyPorts.map(parsePorts)
  return (port) => allowed.some((rule) => rule(port)) && !denied.some((rule) => rule(port))
}

/** `web`, one port or a range of them. Throws a `RangeError` that names what is wrong. */
export function parsePorts(text: string): PortRule {
  if (text === 'web') return isWebPort
  const [first = 0, last = first, ...rest] = text
    .split('-')
    .map((part) => (/^\d{1,5}$/.test(part) ? Number(part) : NaN))
  if (!(first >= 1 && first <= last && last <= 65_535) || rest.length > 0) {
    throw new RangeError(`"${text}" is not web, a port such as 444 or a range such as 8000-8100`)
  }
  return (port) => port >= first && port <= last
}

function isWebPort(port: number): boolean {
  return port === 80 || port === 443 || (port >= 1_024 && port <= 65_535 && !servicePorts.has(port))
}

/** Databases, queues, proxies, remote consoles and the like, and the bad ports of the Fetch standard (§ 2.9) from 1024. */
const servicePorts = new Set([
  1_080, 1_433, 1_434, 1_521, 1_719, 1_720, 1_723, 1_883, 2_049, 2_181, 2_375, 2_376, 2_379, 2_380, 3_128,
  3_306, 3_389, 3_659, 3_690, 4_045, 4_190, 4_369, 5_060, 5_061, 5_222, 5_269, 5_432, 5_433, 5_671, 5_672,
  5_900, 5_984, 5_985, 5_986, 6_000, 6_379, 6_380, 6_432, 6_443, 6_566, 6_665, 6_666, 6_667, 6_668, 6_669,
  6_679, 6_697, 7_687, 8_300, 8_301, 8_302, 8_500, 8_883, 9_042, 9_092, 9_160, 9_200, 9_300, 9_418, 10_080,
  10_250, 10_255, 11_211, 15_672, 26_379, 27_017, 27_018, 27_019, 61_613, 61_616,
])
