import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

/** Every URL in what is built is relative, so that it works under any base path. */
export default defineConfig({
  root: import.meta.dirname,
  base: './',
  plugins: [react()],
  build: {
    // No `data:` URLs: the content security policy allows none.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 800,
    target: 'es2023',
    sourcemap: false,
  },
})
