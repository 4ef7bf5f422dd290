import { MantineProvider } from '@mantine/core'
import { QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { Router } from 'wouter'
import { baseUrl } from './api/client.ts'
import { queryClient } from './api/queries.ts'
import { App } from './app.tsx'
import { Toasts } from './parts/toasts.tsx'
import './theme/styles.ts'
import { theme } from './theme/theme.ts'

createRoot(document.querySelector('#root')!).render(
  <StrictMode>
    {/* The variables and classes stand in static files: the content security policy allows no style tags. */}
    <MantineProvider
      theme={theme}
      defaultColorScheme="auto"
      withCssVariables={false}
      withGlobalClasses={false}
    >
      <QueryClientProvider client={queryClient}>
        <Router base={baseUrl.pathname.replace(/\/$/, '')}>
          <App />
          <Toasts />
        </Router>
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
)
