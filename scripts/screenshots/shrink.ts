import { crc32, deflateSync, inflateSync } from 'node:zlib'

/**
 * A picture with at most 256 colours in place of millions: a third of its size, and nobody sees it of a page that is flat
 * surfaces and text. The most frequent colours stay as they are, the others become the nearest of what they are gathered to.
 */
export function shrink(png: Buffer): Buffer {
  const { width, height, colors } = decode(png)
  const counts = new Map<number, number>()
  for (const color of colors) counts.set(color, (counts.get(color) ?? 0) + 1)
  const palette = paletteOf(counts)
  const places = new Map<number, number>()
  for (const color of counts.keys()) places.set(color, nearest(color, palette))
  const rows = Buffer.alloc(height * (width + 1))
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) rows[y * (width + 1) + x + 1] = places.get(colors[y * width + x]!)!
  }
  return encode({ width, height, palette, rows })
}

const signature = Buffer.from('89504e470d0a1a0a', 'hex')

/** What browsers write: 8 bits, RGB or RGBA, not interlaced. */
function decode(png: Buffer): { width: number; height: number; colors: Uint32Array } {
  const parts: Buffer[] = []
  let [width, height, channels] = [0, 0, 0]
  for (let at = 8; at < png.length; at += png.readUInt32BE(at) + 12) {
    const name = png.toString('latin1', at + 4, at + 8)
    const data = png.subarray(at + 8, at + 8 + png.readUInt32BE(at))
    if (name === 'IHDR') {
      ;[width, height] = [data.readUInt32BE(0), data.readUInt32BE(4)]
      channels = data[9] === 2 ? 3 : 4
    }
    if (name === 'IDAT') parts.push(data)
  }
  const bytes = inflateSync(Buffer.concat(parts))
  const length = width * channels
  const colors = new Uint32Array(width * height)
  let before = new Uint8Array(length)
  for (let y = 0; y < height; y += 1) {
    const start = y * (length + 1)
    const row = unfiltered(bytes[start]!, bytes.subarray(start + 1, start + 1 + length), before, channels)
    for (let x = 0; x < width; x += 1) {
      const at = x * channels
      colors[y * width + x] = (row[at]! << 16) | (row[at + 1]! << 8) | row[at + 2]!
    }
    before = row
  }
  return { width, height, colors }
}

/** PNG § 9.2. */
function unfiltered(
  filter: number,
  coded: Uint8Array,
  before: Uint8Array,
  step: number,
): Uint8Array<ArrayBuffer> {
  const row = new Uint8Array(coded.length)
  for (let at = 0; at < row.length; at += 1) {
    const left = at < step ? 0 : row[at - step]!
    const up = before[at]!
    const corner = at < step ? 0 : before[at - step]!
    const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter]!
    row[at] = coded[at]! + guess
  }
  return row
}

function paeth(left: number, up: number, corner: number): number {
  const guess = left + up - corner
  const [toLeft, toUp, toCorner] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)]
  if (toLeft <= toUp && toLeft <= toCorner) return left
  return toUp <= toCorner ? up : corner
}

const most = 256
const keptAsTheyAre = 144

function paletteOf(counts: Map<number, number>): number[] {
  const byCount = [...counts].toSorted(([, one], [, other]) => other - one).map(([color]) => color)
  if (byCount.length <= most) return byCount
  const boxes = [byCount.slice(keptAsTheyAre)]
  while (boxes.length < most - keptAsTheyAre) {
    const widest = boxes.reduce((one, other) => (spreadOf(other) > spreadOf(one) ? other : one))
    if (widest.length < 2) break
    boxes.splice(boxes.indexOf(widest), 1, ...halves(widest, counts))
  }
  return [...byCount.slice(0, keptAsTheyAre), ...boxes.map((box) => meanOf(box, counts))]
}

const channelsOf = (color: number) => [color >> 16, (color >> 8) & 255, color & 255] as const

function widestChannel(box: number[]): { channel: number; range: number } {
  const low = [255, 255, 255]
  const high = [0, 0, 0]
  for (const color of box) {
    channelsOf(color).forEach((value, channel) => {
      low[channel] = Math.min(low[channel]!, value)
      high[channel] = Math.max(high[channel]!, value)
    })
  }
  const ranges = high.map((value, channel) => value - low[channel]!)
  const range = Math.max(...ranges)
  return { channel: ranges.indexOf(range), range }
}

function spreadOf(box: number[]): number {
  return widestChannel(box).range * Math.sqrt(box.length)
}

/** At the colour that has as many pixels on each of its sides. */
function halves(box: number[], counts: Map<number, number>): [number[], number[]] {
  const { channel } = widestChannel(box)
  const sorted = box.toSorted((one, other) => channelsOf(one)[channel]! - channelsOf(other)[channel]!)
  const half = sorted.reduce((sum, color) => sum + counts.get(color)!, 0) / 2
  let passed = 0
  const at = sorted.findIndex((color) => (passed += counts.get(color)!) >= half)
  const middle = Math.min(Math.max(at, 1), sorted.length - 1)
  return [sorted.slice(0, middle), sorted.slice(middle)]
}

function meanOf(box: number[], counts: Map<number, number>): number {
  const sums = [0, 0, 0]
  let total = 0
  for (const color of box) {
    const count = counts.get(color)!
    channelsOf(color).forEach((value, channel) => (sums[channel]! += value * count))
    total += count
  }
  const [red, green, blue] = sums.map((sum) => Math.round(sum / total))
  return (red! << 16) | (green! << 8) | blue!
}

function nearest(color: number, palette: number[]): number {
  const [red, green, blue] = channelsOf(color)
  let [best, distance] = [0, Infinity]
  for (const [place, other] of palette.entries()) {
    const [otherRed, otherGreen, otherBlue] = channelsOf(other)
    const far = (red - otherRed) ** 2 + (green - otherGreen) ** 2 + (blue - otherBlue) ** 2
    if (far < distance) [best, distance] = [place, far]
  }
  return best
}

interface Indexed {
  width: number
  height: number
  palette: number[]
  rows: Buffer
}

function encode({ width, height, palette, rows }: Indexed): Buffer {
  const head = Buffer.alloc(13)
  head.writeUInt32BE(width, 0)
  head.writeUInt32BE(height, 4)
  head.set([8, 3, 0, 0, 0], 8)
  return Buffer.concat([
    signature,
    chunk('IHDR', head),
    chunk('PLTE', Buffer.from(palette.flatMap(channelsOf))),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function chunk(name: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(name, 'latin1'), data])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  const check = Buffer.alloc(4)
  check.writeUInt32BE(crc32(named))
  return Buffer.concat([length, named, check])
}
