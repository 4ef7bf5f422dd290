import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Makes the data directory, closed to others. Root's may be passed through, not listed: its embedded server runs
 * as an unprivileged user, and its cluster lies inside. Every file with a key in it is closed by itself.
 */
export async function makeDataDir(dataDir: string): Promise<void> {
  await mkdir(dataDir, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 })
}

/** Where in it the embedded database lives. */
export function embeddedDir(dataDir: string): string {
  return join(dataDir, 'postgres')
}
