import { stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../../config.ts'
import { embeddedDir } from '../data-dir.ts'
import type { Environment } from '../environment.ts'
import { type Finding, ok, problem, warning } from './finding.ts'

/** PostgreSQL stops when it cannot write its log: a segment of it is 16 MiB, and a checkpoint may keep many. */
const leastFreeBytes = 2 ** 30

/** What the settings and the machine say by themselves, before anything is asked of the database. */
export async function lookAround(config: Config, env: Environment): Promise<Finding[]> {
  return [
    guard(config),
    tls(env),
    publicAddress(config),
    ...(await keyFiles(config)),
    ...(config.databaseUrl === null ? [await disk(config)] : []),
  ]
}

function guard({ allowPrivate, allowHttp, allowLinkLocal, proxy }: Config): Finding {
  const subject = 'address guard'
  if (allowLinkLocal) {
    return warning(
      subject,
      'webhooks may be sent to link-local addresses, where clouds keep credentials',
      'Unset POSTRIDER_ALLOW_LINK_LOCAL unless you need just that.',
    )
  }
  if (allowPrivate.length > 0) {
    return warning(
      subject,
      `whoever may create a webhook can send to ${allowPrivate.join(', ')}`,
      'Leave POSTRIDER_ALLOW_PRIVATE empty where customers create webhooks.',
    )
  }
  if (allowHttp) {
    return warning(
      subject,
      'webhooks may be http: whoever is on the way reads them',
      'Unset POSTRIDER_ALLOW_HTTP in production.',
    )
  }
  return ok(
    subject,
    proxy === null ? 'https to public addresses only' : 'the proxy decides which addresses names may lead to',
  )
}

function tls(env: Environment): Finding {
  const subject = 'certificates'
  return env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0'
    ? problem(
        subject,
        'NODE_TLS_REJECT_UNAUTHORIZED=0: no certificate is checked, neither of receivers nor of the database',
        'Unset it; NODE_EXTRA_CA_CERTS names the certificates of an authority of your own.',
      )
    : ok(subject, 'are checked')
}

function publicAddress({ publicUrl, host }: Config): Finding {
  const subject = 'public address'
  if (publicUrl !== null) {
    return publicUrl.startsWith('https:') || /\/\/(localhost|127\.|\[::1\])/.test(publicUrl)
      ? ok(subject, publicUrl)
      : warning(
          subject,
          `${publicUrl} is not https: keys and sessions can be read on the way`,
          'Put a proxy that speaks TLS in front, and set POSTRIDER_PUBLIC_URL to its address.',
        )
  }
  if (/^(127\.|::1$|localhost$)/.test(host)) return ok(subject, `this machine alone (${host})`)
  return warning(
    subject,
    `listens on ${host} and is not told by which address people reach it`,
    'Set POSTRIDER_PUBLIC_URL: links of invitations are made from it.',
  )
}

async function keyFiles({ dataDir }: Config): Promise<Finding[]> {
  const subject = 'key files'
  const open: string[] = []
  let count = 0
  for (const name of ['admin-key', 'encryption-keys']) {
    const file = join(dataDir, name)
    const found = await stat(file).catch(() => null)
    if (!found) continue
    count += 1
    if ((found.mode & 0o077) !== 0) open.push(file)
  }
  if (open.length > 0) {
    return [problem(subject, `others may read ${open.join(' and ')}`, `Run chmod 600 ${open.join(' ')}`)]
  }
  return count === 0 ? [] : [ok(subject, 'can be read by their owner alone')]
}

async function disk({ dataDir }: Config): Promise<Finding> {
  const subject = 'disk'
  const { bavail, blocks, bsize } = await statfs(embeddedDir(dataDir))
  const freeBytes = bavail * bsize
  const share = bavail / blocks
  const said = `${gibibytes(freeBytes)} GiB free (${Math.round(share * 100)} %) for the embedded database`
  if (freeBytes < leastFreeBytes || share < 0.05) {
    return problem(
      subject,
      said,
      'Make room: a full disk stops PostgreSQL. A shorter POSTRIDER_RETENTION_DAYS helps.',
    )
  }
  return share < 0.15
    ? warning(subject, said, 'Make room, or move to a PostgreSQL of its own.')
    : ok(subject, said)
}

function gibibytes(bytes: number): string {
  return (bytes / 2 ** 30).toFixed(1)
}
