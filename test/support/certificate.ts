import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

/** X.509 certificates (RFC 5280) written by hand, so that TLS tests need nothing but Node. */

export interface Certificate {
  /** PEM. */
  key: string
  cert: string
  authority: { name: string; privateKey: KeyObject }
}

export interface CertificateInput {
  /** The common name; of a server also its DNS name. */
  name: string
  /** DNS names and IPv4 addresses that it is valid for; `name` by default. */
  hosts?: string[]
  validFrom?: Date
  validTo?: Date
  /** Who signs it; itself by default. */
  issuer?: Certificate
  isAuthority?: boolean
}

const dayMs = 86_400_000

export function makeCertificate(input: CertificateInput): Certificate {
  const { name, hosts = [name], issuer, isAuthority = false } = input
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const signer = issuer?.authority ?? { name, privateKey }
  const extensions = isAuthority
    ? [extension('551d13', sequence(tlv(0x01, Buffer.from([0xff]))))]
    : [extension('551d11', sequence(...hosts.map(generalName)))]
  const body = sequence(
    tlv(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    ecdsaWithSha256,
    distinguishedName(signer.name),
    sequence(
      time(input.validFrom ?? new Date(Date.now() - dayMs)),
      time(input.validTo ?? new Date(Date.now() + dayMs)),
    ),
    distinguishedName(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(...extensions)),
  )
  const signature = sign('sha256', body, signer.privateKey)
  const der = sequence(body, ecdsaWithSha256, bitString(signature))
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replace(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n`,
    authority: { name, privateKey },
  }
}

function tlv(tag: number, content: Buffer): Buffer {
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

function sequence(...parts: Buffer[]): Buffer {
  return tlv(0x30, Buffer.concat(parts))
}

function integer(bytes: Buffer): Buffer {
  return tlv(0x02, bytes)
}

function bitString(bytes: Buffer): Buffer {
  return tlv(0x03, Buffer.concat([Buffer.from([0]), bytes]))
}

function oid(hex: string): Buffer {
  return tlv(0x06, Buffer.from(hex, 'hex'))
}

function time(date: Date): Buffer {
  return tlv(0x18, Buffer.from(date.toISOString().replace(/[-:T]|\.\d+/g, '')))
}

function distinguishedName(commonName: string): Buffer {
  return sequence(tlv(0x31, sequence(oid('550403'), tlv(0x0c, Buffer.from(commonName)))))
}

function extension(id: string, value: Buffer): Buffer {
  return sequence(oid(id), tlv(0x04, value))
}

function generalName(host: string): Buffer {
  const isAddress = /^[\d.]+$/.test(host)
  return isAddress ? tlv(0x87, Buffer.from(host.split('.').map(Number))) : tlv(0x82, Buffer.from(host))
}

const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'))
