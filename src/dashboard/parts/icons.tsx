import type { ReactNode } from 'react'

/** Drawn here, in the colour of the text around them, and hidden from screen readers: a word always stands beside. */

const paths = {
  delivered: <path d="M3.2 8.6 6.4 11.8 12.8 4.6" />,
  delivering: (
    <>
      <circle cx="8" cy="8" r="5.6" />
      <path d="M8 2.4a5.6 5.6 0 0 0 0 11.200z" fill="currentColor" stroke="none" />
    </>
  ),
  pending: (
    <>
      <path d="M13.2 8A5.2 5.2 0 1 1 11.6 4.250" />
      <path d="M13.4 1.900v3.300h-3.3" />
    </>
  ),
  failed: <path d="m4 4 8 8M12 4l-8 8" />,
  inactive: <path d="M5.6 3.500v9M10.4 3.500v9" />,
  copy: (
    <>
      <rect x="5.5" y="5.5" width="8" height="8" rx="1.8" />
      <path d="M10.5 5.500v-1.200a1.8 1.8 0 0 0-1.8-1.800H4.300a1.8 1.8 0 0 0-1.8 1.800v4.400a1.8 1.8 0 0 0 1.8 1.800h1.2" />
    </>
  ),
  search: (
    <>
      <circle cx="7" cy="7" r="4.3" />
      <path d="m10.3 10.3 3.4 3.4" />
    </>
  ),
  overview: (
    <>
      <rect x="2.2" y="2.2" width="5" height="6.2" rx="1.2" />
      <rect x="8.8" y="2.2" width="5" height="3.8" rx="1.2" />
      <rect x="2.2" y="10.4" width="5" height="3.4" rx="1.2" />
      <rect x="8.8" y="8" width="5" height="5.8" rx="1.2" />
    </>
  ),
  deliveries: (
    <>
      <path d="M2 4.500h8.500M2 8h6M2 11.500h4" />
      <path d="m10 8 3.5 3.500m0-3.200v3.200h-3.2" />
    </>
  ),
  webhooks: (
    <>
      <circle cx="8" cy="4" r="2" />
      <circle cx="3.8" cy="11.5" r="2" />
      <circle cx="12.2" cy="11.5" r="2" />
      <path d="M7.1 5.8 4.8 9.700M5.8 11.500h4.400M8.9 5.800l2.3 3.9" />
    </>
  ),
  events: (
    <>
      <path d="M2.5 4.5 8 2l5.5 2.500L8 7z" />
      <path d="M2.5 8 8 10.5 13.5 8M2.5 11.4 8 13.900l5.5-2.5" />
    </>
  ),
  applications: (
    <>
      <rect x="2.3" y="2.3" width="11.4" height="11.4" rx="2" />
      <path d="M2.3 6h11.400M6.2 6v7.7" />
    </>
  ),
  keys: (
    <>
      <circle cx="5.2" cy="10.8" r="2.9" />
      <path d="m7.3 8.7 6-6M11 5l2 2" />
    </>
  ),
  audit: (
    <>
      <path d="M4 2.200h6l2.5 2.500v9.100H4z" />
      <path d="M6.2 7h4M6.2 10h4" />
    </>
  ),
  live: (
    <>
      <circle cx="8" cy="8" r="1.7" fill="currentColor" stroke="none" />
      <path d="M4.8 11.200a4.5 4.5 0 0 1 0-6.400M11.2 4.800a4.5 4.5 0 0 1 0 6.400M2.7 13.300a7.5 7.5 0 0 1 0-10.600M13.3 2.700a7.5 7.5 0 0 1 0 10.6" />
    </>
  ),
  people: (
    <>
      <circle cx="6" cy="5.2" r="2.5" />
      <path d="M1.8 13.300c0-2.6 1.8-4 4.2-4s4.2 1.4 4.2 4M10.3 3.200a2.4 2.4 0 0 1 0 4.200M12 9.800c1.4.5 2.2 1.7 2.2 3.5" />
    </>
  ),
  jobs: (
    <>
      <path d="M3 3.500h10M3 8h10M3 12.500h10" opacity=".35" />
      <path d="M3 3.500h10M3 8h6M3 12.500h3" />
    </>
  ),
  sun: (
    <>
      <circle cx="8" cy="8" r="2.8" />
      <path d="M8 1.500v1.300M8 13.200v1.300M1.5 8h1.300M13.2 8h1.300M3.4 3.400l.9.900M11.7 11.700l.9.900M12.6 3.400l-.9.900M4.3 11.700l-.9.9" />
    </>
  ),
  moon: <path d="M13.3 9.700A5.7 5.7 0 0 1 6.3 2.700a5.7 5.7 0 1 0 7 7z" />,
  trash: (
    <>
      <path d="M2.8 4.4h10.4M6.3 4.4V2.8h3.4v1.600M4.2 4.400l.6 8.800h6.400l.6-8.8" />
      <path d="M6.8 7.200v3.400M9.2 7.200v3.4" />
    </>
  ),
  chevron: <path d="m4.5 6.3 3.5 3.5 3.5-3.5" />,
  right: <path d="m6.2 4.3 3.7 3.7-3.7 3.7" />,
  left: <path d="M9.8 4.3 6.1 8l3.7 3.7" />,
  plus: <path d="M8 3v10M3 8h10" />,
  more: (
    <>
      <circle cx="3.5" cy="8" r=".9" fill="currentColor" />
      <circle cx="8" cy="8" r=".9" fill="currentColor" />
      <circle cx="12.5" cy="8" r=".9" fill="currentColor" />
    </>
  ),
  pause: <path d="M5.6 3.500v9M10.4 3.500v9" />,
  play: <path d="M4.8 3.200v9.600L12.6 8z" />,
  warning: (
    <>
      <path d="M8 2.3 14.3 13.200H1.700z" />
      <path d="M8 6.500v3.200M8 11.300v.2" />
    </>
  ),
  send: <path d="M13.8 2.2 7.3 8.700M13.8 2.2 9.7 13.8 7.3 8.7 2.2 6.300z" />,
  exit: (
    <>
      <path d="M6.5 2.500h-3a1 1 0 0 0-1 1v9a1 1 0 0 0 1 1h3" />
      <path d="M6.5 8h7M10.8 5.3 13.5 8l-2.7 2.7" />
    </>
  ),
} satisfies Record<string, ReactNode>

export type IconName = keyof typeof paths

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg
      className="icon"
      aria-hidden="true"
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth={1.5}
      strokeLinecap="round"
      strokeLinejoin="round"
    >
      {paths[name]}
    </svg>
  )
}
