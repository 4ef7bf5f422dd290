import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'

/** What a name answers with: addresses of both families, an error of RFC 1035 § 4.1.1, or nothing at all. */
export type DnsAnswer = readonly string[] | 'NXDOMAIN' | 'SERVFAIL' | 'silence'

export interface DnsQuestion {
  name: string
  type: 'A' | 'AAAA'
}

const typeNumbers: Record<number, DnsQuestion['type']> = { 1: 'A', 28: 'AAAA' }
const errorCodes = { SERVFAIL: 2, NXDOMAIN: 3 }

/**
 * A DNS server on 127.0.0.1 (RFC 1035) that answers as `answer` says at that moment, with a TTL of 0.
 *
 *     await using dns = await DnsServer.start(() => ['93.184.216.34'])
 *     const resolver = nameResolver({ servers: [dns.address] })
 *     dns.answer = () => ['10.0.0.1']
 */
export class DnsServer {
  /** Every question, in the order of their coming. */
  readonly questions: DnsQuestion[] = []
  answer: (question: DnsQuestion) => DnsAnswer
  readonly #socket: Socket = createSocket('udp4')

  private constructor(answer: (question: DnsQuestion) => DnsAnswer) {
    this.answer = answer
    this.#socket.on('message', (query, { port, address }) => {
      const question = readQuestion(query)
      this.questions.push(question)
      const reply = replyTo(query, question, this.answer(question))
      if (reply) this.#socket.send(reply, port, address)
    })
  }

  static async start(answer: (question: DnsQuestion) => DnsAnswer): Promise<DnsServer> {
    const server = new DnsServer(answer)
    server.#socket.bind(0, '127.0.0.1')
    await once(server.#socket, 'listening')
    return server
  }

  /** For `setServers`. */
  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close()
    await once(this.#socket, 'close')
  }
}

const headLength = 12

function readQuestion(query: Buffer): DnsQuestion {
  const labels: string[] = []
  let at = headLength
  for (let length = query[at]!; length > 0; length = query[at]!) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join('.').toLowerCase(), type: typeNumbers[query.readUInt16BE(at + 1)]! }
}

function replyTo(query: Buffer, { name, type }: DnsQuestion, answer: DnsAnswer): Buffer | undefined {
  if (answer === 'silence') return undefined
  const addresses =
    typeof answer === 'string' ? [] : answer.filter((each) => isIPv6(each) === (type === 'AAAA'))
  const head = Buffer.alloc(headLength)
  query.copy(head, 0, 0, 2)
  // An answer, recursion asked for and available.
  head.writeUInt16BE(0x8180 | (typeof answer === 'string' ? errorCodes[answer] : 0), 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(addresses.length, 6)
  const question = query.subarray(headLength, headLength + name.length + 2 + 4)
  return Buffer.concat([head, question, ...addresses.map((address) => record(type, address))])
}

function record(type: DnsQuestion['type'], address: string): Buffer {
  const bytes = type === 'A' ? Buffer.from(address.split('.').map(Number)) : ipv6Bytes(address)
  const fixed = Buffer.alloc(12)
  // The name is the one of the question.
  fixed.writeUInt16BE(0xc000 | headLength, 0)
  fixed.writeUInt16BE(type === 'A' ? 1 : 28, 2)
  fixed.writeUInt16BE(1, 4)
  fixed.writeUInt16BE(bytes.length, 10)
  return Buffer.concat([fixed, bytes])
}

function ipv6Bytes(address: string): Buffer {
  const [first = [], last = []] = address.split('::').map((half) => half.split(':').filter(Boolean))
  const middle = Array<string>(8 - first.length - last.length).fill('0')
  const groups = [...first, ...middle, ...last]
  return Buffer.concat(groups.map((group) => Buffer.from(group.padStart(4, '0'), 'hex')))
}
