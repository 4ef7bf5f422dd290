/** What the tests show in a browser: an application that embeds the list. */
import { createRoot } from 'react-dom/client'
import { DeliveryList, PostriderProvider } from '../../src/react/index.ts'

const projectId = new URLSearchParams(location.search).get('project') ?? ''

createRoot(document.getElementById('root')!).render(
  <main>
    <h1>My webhooks</h1>
    <PostriderProvider baseUrl="/api/postrider" projectId={projectId} refreshSeconds={1}>
      <DeliveryList pageSize={2} />
    </PostriderProvider>
  </main>,
)
