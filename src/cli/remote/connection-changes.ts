import type { PostriderApiError } from '../../client/client.ts'

type Tell = (state: 'open' | 'lost', error?: PostriderApiError) => void

/** A stream tells of each try that fails; who watches it over night is told once, and again if the reason is another. */
export function connectionChanges(tell: Tell): Tell {
  let told: string | undefined
  return (state, error) => {
    const news = `${state} ${error?.detail ?? ''}`
    if (news === told) return
    told = news
    tell(state, error)
  }
}
