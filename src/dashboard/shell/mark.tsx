/** The sign and the name. */
export function Mark() {
  return (
    <span className="mark">
      <svg width="22" height="22" viewBox="0 0 32 32" aria-hidden="true">
        <rect width="32" height="32" rx="8" className="mark-ground" />
        <path d="M7 11.5h10M7 16h7.500M7 20.500h5" className="mark-trail" />
        <path d="M17.500 9.500 25 16l-7.500 6.500" className="mark-head" />
      </svg>
      <span>Postrider</span>
    </span>
  )
}
