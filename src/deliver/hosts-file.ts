import type { LookupAddress } from 'node:dns'
import { readFile, stat } from 'node:fs/promises'
import { isIPv6 } from 'node:net'

/** The hosts file of a machine (hosts(5)), read again when it has changed. */
export class HostsFile {
  readonly #path: string
  #readFrom = ''
  #entries = new Map<string, LookupAddress[]>()

  constructor(path: string) {
    this.#path = path
  }

  /** Every address of a name, none where it does not stand there. A file that cannot be read holds no names. */
  async addresses(hostname: string): Promise<LookupAddress[]> {
    try {
      const { mtimeMs, size, ino } = await stat(this.#path)
      const version = `${mtimeMs} ${size} ${ino}`
      if (version !== this.#readFrom) {
        this.#entries = parse(await readFile(this.#path, 'utf8'))
        this.#readFrom = version
      }
    } catch {
      return []
    }
    return this.#entries.get(hostname.toLowerCase().replace(/\.$/, '')) ?? []
  }
}

export const hostsFile = new HostsFile(
  process.platform === 'win32' ? 'C:\\Windows\\System32\\drivers\\etc\\hosts' : '/etc/hosts',
)

function parse(text: string): Map<string, LookupAddress[]> {
  const entries = new Map<string, LookupAddress[]>()
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/s, '').trim().split(/\s+/)
    for (const name of names) {
      const key = name.toLowerCase().replace(/\.$/, '')
      const known = entries.get(key) ?? []
      entries.set(key, [...known, { address, family: isIPv6(address) ? 6 : 4 }])
    }
  }
  return entries
}
