const storedAt = 'postrider.project'

export function lastProjectId(): string | null {
  return localStorage.getItem(storedAt)
}

export function rememberProject(id: string): void {
  localStorage.setItem(storedAt, id)
}
