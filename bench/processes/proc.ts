import { readdirSync, readFileSync } from 'node:fs'

/** What the kernel says of processes. Linux only: `/proc`. */

/** Of one tick, by far the most common `CLK_TCK`; `getconf CLK_TCK` tells. */
const usPerTick = 10_000

interface Stat {
  parent: number
  /** User and system time of its threads. */
  cpuUs: number
  /** The same of its children that ended and were waited for. */
  endedChildrenUs: number
}

/** CPU that a process and all its threads used so far, in microseconds. */
export function cpuUsOf(pid: number): number {
  return readStat(pid)?.cpuUs ?? 0
}

/** CPU of a server with all its processes: those that live, and those that ended, whose time went to the parent. */
export function cpuUsOfTree(pid: number): number {
  const root = readStat(pid)
  if (!root) return 0
  let sum = root.cpuUs + root.endedChildrenUs
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const stat = readStat(Number(name))
    if (stat?.parent === pid) sum += stat.cpuUs
  }
  return sum
}

export function parentOf(pid: number): number {
  const stat = readStat(pid)
  if (!stat) throw new Error(`process ${pid} is gone`)
  return stat.parent
}

/** The most memory that a process ever had resident, in MiB. */
export function peakResidentMib(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) / 1_024
}

function readStat(pid: number): Stat | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  // The name in parentheses may hold anything; after it the fields are numbered from 3 (proc(5)).
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const field = (number: number): number => Number(fields[number - 3])
  return {
    parent: field(4),
    cpuUs: (field(14) + field(15)) * usPerTick,
    endedChildrenUs: (field(16) + field(17)) * usPerTick,
  }
}
