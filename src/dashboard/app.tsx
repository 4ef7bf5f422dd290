import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense } from 'react'
import { Redirect, Route, Switch } from 'wouter'
import { get } from './api/client.ts'
import type { SessionState } from './api/types.ts'
import { Loading, Problem } from './parts/states.tsx'
import { enter, useSessionState } from './session/session.ts'
import { Layout } from './shell/layout.tsx'
import { LinkPage } from './shell/link-page.tsx'
import { Login } from './shell/login.tsx'
import { FirstProject } from './shell/first-project.tsx'
import { NotFound } from './shell/not-found.tsx'

/** One file for each page, loaded when it is first opened. */
const Overview = lazy(() => import('./pages/overview.tsx'))
const Deliveries = lazy(() => import('./pages/deliveries.tsx'))
const DeliveryPage = lazy(() => import('./pages/delivery.tsx'))
const Events = lazy(() => import('./pages/events.tsx'))
const EventPage = lazy(() => import('./pages/event.tsx'))
const Webhooks = lazy(() => import('./pages/webhooks.tsx'))
const NewWebhook = lazy(() => import('./pages/new-webhook.tsx'))
const WebhookPage = lazy(() => import('./pages/webhook.tsx'))
const EventTypes = lazy(() => import('./pages/event-types.tsx'))
const Applications = lazy(() => import('./pages/applications.tsx'))
const Keys = lazy(() => import('./pages/keys.tsx'))
const Audit = lazy(() => import('./pages/audit.tsx'))
const People = lazy(() => import('./pages/people.tsx'))
const Users = lazy(() => import('./pages/users.tsx'))
const Account = lazy(() => import('./pages/account.tsx'))
const Settings = lazy(() => import('./pages/settings.tsx'))
const Live = lazy(() => import('./pages/live.tsx'))

export function App() {
  const asked = useQuery({
    queryKey: ['session'],
    queryFn: async ({ signal }) => {
      const state = await get<SessionState>('/session', {}, signal)
      enter(state)
      return true
    },
    staleTime: Infinity,
    refetchOnWindowFocus: false,
  })
  if (asked.error) return <Problem error={asked.error} retry={() => void asked.refetch()} />
  return (
    <Switch>
      <Route path="/setup" component={LinkPage} />
      <Route path="/invitation" component={LinkPage} />
      <Route component={Inside} />
    </Switch>
  )
}

/** What is shown to those who are logged in, and the way in to all others, wherever they wanted to go. */
function Inside() {
  const state = useSessionState()
  if (state === undefined) return <Loading rows={3} />
  if (state.session === null) return <Login methods={state.login} />
  return (
    <Switch>
      <Route path="/projects/:projectId/*?">
        {({ projectId }) => (
          <Layout projectId={projectId}>
            <Suspense fallback={<Loading />}>
              <ProjectPages base={`/projects/${projectId}`} />
            </Suspense>
          </Layout>
        )}
      </Route>
      <Route path="/" component={FirstProject} />
      <Route path="/projects" component={FirstProject} />
      <Route path="/login">
        <Redirect to="/" replace />
      </Route>
      <Route component={NotFound} />
    </Switch>
  )
}

function ProjectPages({ base }: { base: string }) {
  return (
    <Switch>
      <Route path={base} component={Overview} />
      <Route path={`${base}/deliveries`} component={Deliveries} />
      <Route path={`${base}/deliveries/:deliveryId`}>
        {({ deliveryId }) => <DeliveryPage key={deliveryId} deliveryId={deliveryId} />}
      </Route>
      <Route path={`${base}/events`} component={Events} />
      <Route path={`${base}/events/:eventId`}>
        {({ eventId }) => <EventPage key={eventId} eventId={eventId} />}
      </Route>
      <Route path={`${base}/webhooks`} component={Webhooks} />
      <Route path={`${base}/webhooks/new`} component={NewWebhook} />
      <Route path={`${base}/webhooks/:webhookId/:tab?`}>
        {({ webhookId, tab }) => (
          <WebhookPage key={webhookId} webhookId={webhookId} tab={tab ?? 'overview'} />
        )}
      </Route>
      <Route path={`${base}/event-types/:name?`}>{({ name }) => <EventTypes name={name} />}</Route>
      <Route path={`${base}/applications`} component={Applications} />
      <Route path={`${base}/keys`} component={Keys} />
      <Route path={`${base}/audit`} component={Audit} />
      <Route path={`${base}/live`} component={Live} />
      <Route path={`${base}/settings`} component={Settings} />
      <Route path={`${base}/people`} component={People} />
      <Route path={`${base}/users`} component={Users} />
      <Route path={`${base}/account`} component={Account} />
      <Route component={NotFound} />
    </Switch>
  )
}
