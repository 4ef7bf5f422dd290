import { Link } from 'wouter'
import { Empty } from '../parts/states.tsx'

export function NotFound() {
  return (
    <Empty icon="search" title="There is no such page">
      <Link href="/">To the overview</Link>
    </Empty>
  )
}
