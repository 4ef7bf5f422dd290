import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { describeSchema } from '../../scripts/catalogue.ts'
import { Database } from '../../src/database/database.ts'
import { migrate, MigrationError, migrationStatus } from '../../src/database/migrate.ts'
import { createEmptyDatabase } from '../support/database.ts'
import { onEachPostgres } from '../support/versions.ts'

const letters = {
  '0001_letters.up.sql': `CREATE TABLE postrider.letters (id integer);`,
  '0001_letters.down.sql': `DROP TABLE postrider.letters;`,
  '0002_stamps.up.sql': `
    CREATE TABLE postrider.stamps (id integer);
    INSERT INTO postrider.stamps VALUES (1);
    DO $$ BEGIN RAISE NOTICE 'one stamp'; END $$;`,
  '0002_stamps.down.sql': `DROP TABLE postrider.stamps;`,
}

onEachPostgres((serverUrl) => {
  test('up runs every migration in order and says what it did', async () => {
    await using empty = await createEmptyDatabase(serverUrl())
    const directory = await migrations(letters)
    const heard: string[] = []
    const log = (message: string) => void heard.push(message)

    expect(await migrationStatus(empty.database, { directory })).toEqual({
      version: 0,
      applied: [],
      pending: [
        { version: 1, name: '0001_letters' },
        { version: 2, name: '0002_stamps' },
      ],
    })
    expect(await migrate(empty.database, { direction: 'up', directory, log })).toEqual([
      '0001_letters',
      '0002_stamps',
    ])
    expect(heard).toEqual(['migration 0001_letters applied', 'one stamp', 'migration 0002_stamps applied'])
    expect(await migrationStatus(empty.database, { directory })).toMatchObject({
      version: 2,
      applied: [
        { version: 1, name: '0001_letters', known: true, changed: false },
        { version: 2, name: '0002_stamps', known: true, changed: false },
      ],
      pending: [],
    })
    expect(await migrate(empty.database, { direction: 'up', directory, log })).toEqual([])
  })

  test('down goes one step back, or to a version, and leaves nothing behind after the first', async () => {
    await using empty = await createEmptyDatabase(serverUrl())
    const directory = await migrations(letters)
    await migrate(empty.database, { direction: 'up', directory, to: 1 })
    const first = await describeSchema(empty.database)
    await migrate(empty.database, { direction: 'up', directory })

    expect(await migrate(empty.database, { direction: 'down', directory })).toEqual(['0002_stamps'])
    expect(await describeSchema(empty.database)).toBe(first)
    await migrate(empty.database, { direction: 'up', directory })
    expect(await migrate(empty.database, { direction: 'down', directory, to: 0 })).toEqual([
      '0002_stamps',
      '0001_letters',
    ])
    expect(await describeSchema(empty.database)).toBe('')
    expect(await migrate(empty.database, { direction: 'down', directory })).toEqual([])
  })

  test('down keeps a schema in which somebody else put something, and says so', async () => {
    await using empty = await createEmptyDatabase(serverUrl())
    const directory = await migrations(letters)
    await migrate(empty.database, { direction: 'up', directory })
    await empty.database.query('CREATE VIEW postrider.mine AS SELECT 1 AS one')
    const heard: string[] = []

    await migrate(empty.database, {
      direction: 'down',
      to: 0,
      directory,
      log: (message) => heard.push(message),
    })

    expect(heard).toContainEqual(expect.stringContaining('schema postrider is kept'))
    expect((await empty.database.query('SELECT one FROM postrider.mine')).rows).toEqual([{ one: 1 }])
    expect((await migrate(empty.database, { direction: 'up', directory })).length).toBe(2)
  })

  test.each(['read committed', 'serializable'])(
    'ten starters at once run each once (%s)',
    async (isolation) => {
      await using empty = await createEmptyDatabase(serverUrl())
      const directory = await migrations(letters)
      await empty.database.query(
        `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = %L', current_database(), '${isolation}'); END $$`,
      )
      const starters = Array.from({ length: 10 }, () => new Database(empty))

      const ran = await Promise.all(
        starters.map((starter) => migrate(starter, { direction: 'up', directory })),
      )

      expect(ran.flat().toSorted()).toEqual(['0001_letters', '0002_stamps'])
      expect((await empty.database.query('SELECT id FROM postrider.stamps')).rows).toEqual([{ id: 1 }])
      const back = await Promise.all(
        starters.map((starter) => migrate(starter, { direction: 'down', to: 0, directory })),
      )
      expect(back.flat().toSorted()).toEqual(['0001_letters', '0002_stamps'])
      await Promise.all(starters.map((starter) => starter.close()))
    },
  )

  test('a migration that fails half-way leaves the catalogue as it was and says where it failed', async () => {
    await using empty = await createEmptyDatabase(serverUrl())
    const directory = await migrations(letters)
    await migrate(empty.database, { direction: 'up', directory })
    const before = await describeSchema(empty.database)
    const broken = {
      '0003_broken.up.sql': [
        `-- a comment; with a semicolon`,
        `ALTER TABLE postrider.stamps ADD COLUMN value integer DEFAULT 0;`,
        `CREATE TYPE postrider.colour AS ENUM ('red;', 'blue');`,
        `DELETE FROM postrider.stamps;`,
        ``,
        `DO $body$ BEGIN PERFORM 1; END $body$;`,
        `-- the next one cannot work`,
        `INSERT INTO postrider.letters`,
        `SELECT 1 / (SELECT count(*) FROM postrider.stamps);`,
        `DROP TABLE postrider.letters;`,
      ].join('\n'),
      '0003_broken.down.sql': '',
    }

    const failing = await migrations({ ...letters, ...broken })
    const error = await migrate(empty.database, { direction: 'up', directory: failing }).catch(
      (cause) => cause,
    )

    expect(error).toBeInstanceOf(MigrationError)
    expect(error).toMatchObject({
      path: join(failing, '0003_broken.up.sql'),
      statement: 5,
      line: 8,
      message: `${join(failing, '0003_broken.up.sql')}:8: statement 5: division by zero`,
      cause: { code: '22012' },
    })
    expect(await describeSchema(empty.database)).toBe(before)
    expect((await empty.database.query('SELECT id FROM postrider.stamps')).rows).toEqual([{ id: 1 }])
    expect((await migrationStatus(empty.database, { directory: failing })).pending).toHaveLength(1)
  })

  test('a migration that is cut off by a deadlock with the traffic is run again', async () => {
    await using empty = await createEmptyDatabase(serverUrl())
    await empty.database.query('CREATE SEQUENCE runs')
    const directory = await migrations({
      '0001_unlucky.up.sql': `DO $$ BEGIN
        IF nextval('public.runs') < 3 THEN RAISE EXCEPTION 'deadlock' USING ERRCODE = 'deadlock_detected'; END IF;
      END $$;`,
      '0001_unlucky.down.sql': '',
    })
    const heard: string[] = []
    const log = (message: string) => void heard.push(message)
    expect(await migrate(empty.database, { direction: 'up', directory, log })).toEqual(['0001_unlucky'])
    expect(heard).toEqual([
      expect.stringMatching(/0001_unlucky.*deadlock: trying again$/),
      expect.stringMatching(/0001_unlucky.*deadlock: trying again$/),
      'migration 0001_unlucky applied',
    ])
  })

  test('a mistake that PostgreSQL points to is reported with its line', async () => {
    await using empty = await createEmptyDatabase(serverUrl())
    const directory = await migrations({
      '0001_typo.up.sql': 'CREATE TABLE postrider.one ();\n\nCREATE TABLE postrider.two (\n  id intger\n);',
      '0001_typo.down.sql': '',
    })

    const error = await migrate(empty.database, { direction: 'up', directory }).catch((cause) => cause)

    expect(error).toMatchObject({ statement: 2, line: 4 })
    expect(await describeSchema(empty.database)).toBe('')
  })

  test('a database of a newer release is left alone by an older one, which cannot take it back either', async () => {
    await using empty = await createEmptyDatabase(serverUrl())
    await migrate(empty.database, { direction: 'up', directory: await migrations(letters) })
    const { '0001_letters.up.sql': up, '0001_letters.down.sql': down } = letters
    const older = await migrations({ '0001_letters.up.sql': up, '0001_letters.down.sql': down })

    expect(await migrate(empty.database, { direction: 'up', directory: older })).toEqual([])
    expect(await migrationStatus(empty.database, { directory: older })).toMatchObject({
      version: 2,
      applied: [{ known: true }, { name: '0002_stamps', known: false }],
      pending: [],
    })
    await expect(migrate(empty.database, { direction: 'down', directory: older })).rejects.toThrow(
      /0002_stamps was made by a newer release/,
    )
  })

  test('a file that was changed after it had run is told by the status, but not for its line ends', async () => {
    await using empty = await createEmptyDatabase(serverUrl())
    await migrate(empty.database, { direction: 'up', directory: await migrations(letters) })
    const changed = await migrations({
      ...letters,
      '0001_letters.up.sql': `${letters['0001_letters.up.sql']} -- changed`,
      '0002_stamps.up.sql': letters['0002_stamps.up.sql'].replaceAll('\n', '\r\n'),
    })

    expect(await migrationStatus(empty.database, { directory: changed })).toMatchObject({
      applied: [{ changed: true }, { changed: false }],
    })
  })

  test('a start with nothing to do needs no right to change anything', async () => {
    await using empty = await createEmptyDatabase(serverUrl())
    const directory = await migrations(letters)
    await migrate(empty.database, { direction: 'up', directory })
    const role = `reader_${Math.random().toString(36).slice(2)}`
    await empty.database.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`)
    await empty.database.query(`GRANT USAGE ON SCHEMA postrider TO ${role}`)
    await empty.database.query(`GRANT SELECT ON postrider.migrations TO ${role}`)
    const url = new URL(empty.connectionString)
    Object.assign(url, { username: role, password: 'secret' })
    const reader = new Database({ connectionString: url.href })

    expect(await migrate(reader, { direction: 'up', directory })).toEqual([])

    await reader.close()
    await empty.database.query(`DROP OWNED BY ${role}`)
    await empty.database.query(`DROP ROLE ${role}`)
  })

  test("the product's own migrations go up, all the way down, and up again to the same schema", async () => {
    await using empty = await createEmptyDatabase(serverUrl())
    const { database } = empty
    const steps = [await describeSchema(database)]
    const { pending } = await migrationStatus(database)
    for (const { version } of pending) {
      await migrate(database, { direction: 'up', to: version })
      steps.push(await describeSchema(database))
    }
    const complete = steps.at(-1)

    while (steps.pop() !== undefined && steps.length > 0) {
      await migrate(database, { direction: 'down' })
      expect(withoutColumnOrder(await describeSchema(database))).toBe(withoutColumnOrder(steps.at(-1)!))
    }
    await migrate(database, { direction: 'up' })
    expect(await describeSchema(database)).toBe(complete)
  })
})

/** A column that was taken away and put back stands last: that is no difference. */
function withoutColumnOrder(schema: string): string {
  return schema
    .split('\n')
    .map((line) => line.replace(/,$/, ''))
    .toSorted()
    .join('\n')
}

async function migrations(files: Record<string, string>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'postrider-migrations-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  for (const [name, sql] of Object.entries(files)) await writeFile(join(directory, name), sql)
  return directory
}
