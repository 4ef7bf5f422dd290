import { mkdir } from 'node:fs/promises'

export { embeddedDir } from '../database/directories.ts'

/**
 * Makes the data directory, closed to others. Root's may be passed through, not listed: its embedded server runs
 * as an unprivileged user, and its cluster lies inside. Every file with a key in it is closed by itself.
 */
export async function makeDataDir(dataDir: string): Promise<void> {
  await mkdir(dataDir, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 })
}
