import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { PostriderError } from '../contract/errors.ts'

/** A key of AES-256 and the name that stands in front of what it encrypted. */
export interface EncryptionKey {
  id: string
  /** 32 bytes. */
  key: Buffer
}

/**
 * The one place where a value belongs. It goes into the encryption as additional data: a value that was copied into
 * another row, column or project cannot be opened there.
 */
export interface Binding {
  projectId: string
  webhookId: string
  column: 'secret' | 'previous_secret' | 'headers'
  /** For `headers`: the name of the header. */
  header?: string
}

const keyBytes = 32
const ivBytes = 12
const tagBytes = 16

const keyIdForm = '[A-Za-z0-9_-]{1,64}'
const sealedPattern = new RegExp(sealedForm())

/**
 * Encrypts what the database must not tell: AES-256-GCM, with the newest of the keys. Stored as
 * `v1.<key id>.<base64url of iv, ciphertext and tag>`, which for a secret of 64 bytes takes 167 characters and the id.
 *
 * @example
 * const cipher = new Cipher([{ id: 'k2', key: newest }, { id: 'k1', key: older }])
 * const stored = cipher.seal('whsec_…', { projectId, webhookId, column: 'secret' }) // v1.k2.…
 */
export class Cipher {
  readonly #keys: ReadonlyMap<string, Buffer>
  readonly #newest: EncryptionKey | undefined
  /** What was opened, under the stored text and its place: each delivery needs its webhook's secrets. */
  readonly #opened = new LRUCache<string, string>({ max: 10_000 })

  /**
   * @param keys newest first: the first one encrypts, all of them decrypt
   * @throws {TypeError} for a key or an id of another form, or an id that is there twice
   */
  constructor(keys: readonly EncryptionKey[]) {
    this.#newest = keys[0]
    this.#keys = new Map(keys.map(({ id, key }) => [id, key]))
    // What an id of another form encrypted would be taken for a secret in the clear.
    const isId = new RegExp(`^${keyIdForm}$`)
    for (const { id, key } of keys) {
      if (!isId.test(id))
        throw new TypeError('the id of an encryption key must be 1 to 64 of A-Z a-z 0-9 _ -')
      if (key.length !== keyBytes)
        throw new TypeError(`the encryption key "${id}" must have ${keyBytes} bytes`)
    }
    if (this.#keys.size < keys.length) throw new TypeError('the ids of encryption keys must be distinct')
  }

  has(keyId: string): boolean {
    return this.#keys.has(keyId)
  }

  /** The id of the key that encrypts. */
  get newestId(): string | undefined {
    return this.#newest?.id
  }

  /** @throws {PostriderError} if there is no key at all */
  seal(plain: string, binding: Binding): string {
    if (!this.#newest)
      throw new PostriderError('internal', 'There is no encryption key to store secrets with.')
    const { id, key } = this.#newest
    const iv = randomBytes(ivBytes)
    const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(additionalData(binding)))
    const sealed = Buffer.concat([iv, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()])
    return `v1.${id}.${sealed.toString('base64url')}`
  }

  /**
   * A value that is not in the stored form is a plain one, from a table that was there before encryption.
   *
   * @throws {PostriderError} if the key is missing, or the value was changed or belongs elsewhere
   */
  unseal(stored: string, binding: Binding): string {
    const place = additionalData(binding)
    const opened = this.#opened.get(stored + place)
    if (opened !== undefined) return opened
    const [, id, text] = sealedPattern.exec(stored) ?? []
    if (id === undefined || text === undefined) return stored
    const key = this.#keys.get(id)
    if (!key) throw new PostriderError('internal', `The encryption key "${id}" is needed and was not given.`)
    const sealed = Buffer.from(text, 'base64url')
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, ivBytes), {
      authTagLength: tagBytes,
    })
    decipher.setAAD(Buffer.from(place)).setAuthTag(sealed.subarray(-tagBytes))
    try {
      const plain =
        decipher.update(sealed.subarray(ivBytes, -tagBytes), undefined, 'utf8') + decipher.final('utf8')
      this.#opened.set(stored + place, plain)
      return plain
    } catch (error) {
      throw new PostriderError(
        'internal',
        `A stored secret cannot be opened with the encryption key "${id}": it is not the key that the secret was stored with.`,
        {
          cause: error,
        },
      )
    }
  }
}

export function isSealed(stored: string): boolean {
  return sealedPattern.test(stored)
}

/** The form of a stored value, of any key or of one, for regular expressions here and in SQL. */
export function sealedForm(keyId: string = keyIdForm): string {
  return `^v1[.](${keyId})[.]([A-Za-z0-9_-]{38,})$`
}

function additionalData({ projectId, webhookId, column, header }: Binding): string {
  const place = ['webhooks', projectId.toLowerCase(), webhookId.toLowerCase(), column, header ?? null]
  return JSON.stringify(place)
}
