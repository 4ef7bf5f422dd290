import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { migrate } from '../../src/database/migrate.ts'
import { Invitations } from '../../src/registry/invitations.ts'
import { Links } from '../../src/registry/links.ts'
import { Logins } from '../../src/registry/logins.ts'
import { hashPassword, isOutdated, isRightPassword } from '../../src/registry/passwords.ts'
import { Sessions } from '../../src/registry/sessions.ts'
import { hasOwner } from '../../src/registry/users.ts'
import { makeUser, password } from '../support/browser.ts'
import { MovedClock } from '../support/clock.ts'
import { createEmptyDatabase, createTestDatabase } from '../support/database.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'
import { onEachPostgres } from '../support/versions.ts'

const { database } = await createTestDatabase()
const clock = new MovedClock()
const sessions = new Sessions({ database, clock })
const links = new Links({ database, clock, sessions })
const logins = new Logins({ database, clock, sessions })
const invitations = new Invitations({ database, clock })
const visit = { address: '192.0.2.7', userAgent: 'a browser', requestId: 'r' }
const hour = 3_600
const day = 24 * hour

describe('a password', () => {
  test('is stored with its parameters, never the same twice, and right alone opens', async () => {
    const stored = await hashPassword(password)
    expect(stored).toMatch(/^scrypt\$15\$8\$3\$[\w-]{22}\$[\w-]{43}$/)
    expect(isOutdated(stored)).toBe(false)
    expect(await isRightPassword(password, stored)).toBe(true)
    expect(await isRightPassword(`${password} `, stored)).toBe(false)
    expect(await hashPassword(password)).not.toBe(stored)
  })

  test('is the same however its characters are composed', async () => {
    const stored = await hashPassword('Bl\u00e4tterteig 123')
    expect(await isRightPassword('Bla\u0308tterteig 123', stored)).toBe(true)
  })

  test('of nobody, or what is no hash, is never right', async () => {
    for (const stored of [null, undefined, '', 'plain', 'scrypt$15$8$3$AA$AA']) {
      expect(await isRightPassword('', stored)).toBe(false)
    }
  })

  test('with other parameters opens too, and is stored anew at that login', async () => {
    // Of the RFC's test vectors (RFC 7914, 12): N = 1024, r = 8, p = 16.
    const hash = 'fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162'
    const salt = Buffer.from('NaCl').toString('base64url')
    const stored = `scrypt$10$8$16$${salt}$${Buffer.from(hash, 'hex').toString('base64url')}`
    expect(await isRightPassword('password', stored)).toBe(true)
    expect(isOutdated(stored)).toBe(true)
    const user = await makeUser({ database }, { hasPassword: false })
    await database.query(`UPDATE postrider.users SET password_hash = $2::text WHERE id = $1::uuid`, [
      user.id,
      stored,
    ])
    expect(await logins.withPassword({ email: user.email, password: 'password' }, visit)).toBeDefined()
    const { rows } = await database.query<{ password_hash: string }>(
      `SELECT password_hash FROM postrider.users WHERE id = $1::uuid`,
      [user.id],
    )
    expect(isOutdated(rows[0]!.password_hash)).toBe(false)
    expect(await isRightPassword('password', rows[0]!.password_hash)).toBe(true)
  })
})

describe('a session', () => {
  const open = async () => sessions.open(database, { userId: (await makeUser({ database })).id }, visit)
  const isOpen = async (token: string) =>
    (await sessions.authenticate(token, { adminKeyHash: undefined })) !== undefined

  test('is stored as a hash alone', async () => {
    const { id, token } = await open()
    const { rows } = await database.query<{ token_hash: Buffer; row: string }>(
      `SELECT token_hash, session::text AS row FROM postrider.sessions AS session WHERE id = $1::uuid`,
      [id],
    )
    expect(Buffer.from(token, 'base64url')).toHaveLength(32)
    expect(rows[0]!.token_hash).toEqual(createHash('sha256').update(token).digest())
    expect(rows[0]!.row).not.toContain(token)
  })

  test('ends seven days after its last use', async () => {
    const { token } = await open()
    clock.advance(7 * day - 1)
    expect(await isOpen(token)).toBe(true)
    clock.advance(7 * day - 1)
    expect(await isOpen(token)).toBe(true)
    clock.advance(7 * day)
    expect(await isOpen(token)).toBe(false)
  })

  test('ends thirty days after the login, however it is used', async () => {
    const { token } = await open()
    let days = 0
    while (await isOpen(token)) {
      clock.advance(day)
      days += 1
    }
    expect(days).toBe(30)
  })

  test('that is in use is written down every few minutes only', async () => {
    const { id, token } = await open()
    const usedAt = async () =>
      (
        await database.query<{ last_used_at: Date }>(
          `SELECT last_used_at FROM postrider.sessions WHERE id = $1::uuid`,
          [id],
        )
      ).rows[0]!.last_used_at
    const openedAt = await usedAt()
    clock.advance(299)
    await isOpen(token)
    expect(await usedAt()).toEqual(openedAt)
    clock.advance(1)
    await isOpen(token)
    expect(await usedAt()).toEqual(clock.now())
  })

  test('that has run out is forgotten', async () => {
    await open()
    clock.advance(8 * day)
    const { token } = await open()
    expect(await sessions.forgetEnded()).toBeGreaterThan(0)
    expect(await isOpen(token)).toBe(true)
    expect(await sessions.forgetEnded()).toBe(0)
  })
})

describe('a link', () => {
  test('of an invitation opens for seven days, all others for one', async () => {
    const projectId = await insertProject(database)
    const user = await makeUser({ database })
    const made = {
      member: await invitations.create(projectId, { email: 'a@example.com', role: 'view' }),
      owner: await invitations.createOwnerLink(),
      password: await invitations.createPasswordLink(user.id),
    }
    const opens = async () => {
      const kinds = []
      for (const { token } of Object.values(made)) {
        const details = await links.read(token).catch(() => undefined)
        kinds.push(details?.kind)
      }
      return kinds
    }
    clock.advance(day - 1)
    expect(await opens()).toEqual(['member', 'owner', 'password'])
    clock.advance(1)
    expect(await opens()).toEqual(['member', undefined, undefined])
    clock.advance(6 * day)
    expect(await opens()).toEqual([undefined, undefined, undefined])
  })

  test('that has expired is gone, for whoever had read it before, too', async () => {
    const { token } = await invitations.createOwnerLink()
    const accepting = links.accept({ token, email: 'late@example.com', name: 'L', password }, visit)
    clock.advance(2 * day)
    await expect(accepting).rejects.toMatchObject({ code: 'not_found' })
    expect(await hasOwner(database)).toBe(false)
  })

  test('is stored as a hash alone, and no entry of the log tells it', async () => {
    const projectId = await insertProject(database)
    const { token } = await invitations.create(projectId, { email: 'b@example.com', role: 'view' })
    await links.accept({ token, name: 'B', password }, visit)
    const { rows } = await database.query<{ log: string }>(
      `SELECT string_agg(audit_log::text, ' ') AS log
       FROM postrider.audit_log
       WHERE created_at > now() - interval '1 minute'`,
    )
    expect(rows[0]!.log).toContain('member.created')
    for (const secret of [token, createHash('sha256').update(token).digest('hex'), password, 'scrypt']) {
      expect(rows[0]!.log).not.toContain(secret)
    }
  })
})

onEachPostgres((serverUrl) => {
  test('0011 makes one of users whose emails differ in case only, and goes away again', async () => {
    await using empty = await createEmptyDatabase(serverUrl())
    const sql = empty.database
    await migrate(sql, { direction: 'up', to: 10 })
    const projectId = await insertProject(sql)
    const add = async (email: string, createdAt: string) =>
      (
        await sql.query<{ id: string }>(
          `INSERT INTO postrider.users (email, created_at)
           VALUES ($1::text, $2::timestamptz)
           RETURNING id`,
          [email, createdAt],
        )
      ).rows[0]!.id
    const first = await add('Ada@example.com', '2026-01-01')
    const second = await add('ada@example.com', '2026-01-02')
    const other = await add('grace@example.com', '2026-01-03')
    const authors = async () =>
      (
        await sql.query<{ created_by_id: string | null }>(
          `SELECT created_by_id FROM postrider.webhooks ORDER BY created_at`,
        )
      ).rows.map(({ created_by_id }) => created_by_id)
    for (const author of [first, second, other]) {
      const webhook = await insertWebhook(sql, { projectId })
      await sql.query(`UPDATE postrider.webhooks SET created_by_id = $2::uuid WHERE id = $1::uuid`, [
        webhook,
        author,
      ])
    }

    await migrate(sql, { direction: 'up', to: 11 })
    expect(await authors()).toEqual([first, first, other])
    await expect(add('GRACE@example.com', '2026-01-04')).rejects.toMatchObject({ code: '23505' })

    await migrate(sql, { direction: 'down', to: 10 })
    expect(await authors()).toEqual([first, first, other])
    await add('GRACE@example.com', '2026-01-04')
    await migrate(sql, { direction: 'up', to: 11 })
  })
})
