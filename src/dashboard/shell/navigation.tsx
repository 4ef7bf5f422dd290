import { Link, useLocation } from 'wouter'
import { usePath } from '../api/project.ts'
import { Icon, type IconName } from '../parts/icons.tsx'
import { useMay } from './project.ts'

interface Place {
  path: string
  word: string
  icon: IconName
}

export const places: Place[] = [
  { path: '', word: 'Overview', icon: 'overview' },
  { path: '/deliveries', word: 'Deliveries', icon: 'deliveries' },
  { path: '/live', word: 'Live', icon: 'live' },
  { path: '/webhooks', word: 'Webhooks', icon: 'webhooks' },
  { path: '/events', word: 'Events', icon: 'send' },
  { path: '/event-types', word: 'Event types', icon: 'events' },
  { path: '/applications', word: 'Applications', icon: 'applications' },
  { path: '/keys', word: 'API keys', icon: 'keys' },
  { path: '/people', word: 'People', icon: 'people' },
  { path: '/audit', word: 'Audit log', icon: 'audit' },
  { path: '/settings', word: 'Project', icon: 'jobs' },
]

export function Navigation() {
  const path = usePath()
  const [location] = useLocation()
  const mayManage = useMay('manage')
  const mayChange = useMay('admin')
  return (
    <nav className="navigation" aria-label="Pages">
      <ul>
        {places
          .filter(
            ({ path: place }) => (place !== '/audit' || mayManage) && (place !== '/settings' || mayChange),
          )
          .map((place) => {
            const target = path(place.path)
            const isHere =
              place.path === ''
                ? location === target
                : location === target || location.startsWith(`${target}/`)
            return (
              <li key={place.path}>
                <Link
                  href={target}
                  className={isHere ? 'place here' : 'place'}
                  aria-current={isHere ? 'page' : undefined}
                >
                  <Icon name={place.icon} />
                  <span>{place.word}</span>
                </Link>
              </li>
            )
          })}
      </ul>
    </nav>
  )
}
