// Light or dark: the system's, until somebody chooses.
const root = document.documentElement
const chosen = localStorage.getItem('theme')
if (chosen) root.dataset.theme = chosen

document.addEventListener('DOMContentLoaded', () => {
  document.getElementById('theme').addEventListener('click', () => {
    const isDark = root.dataset.theme
      ? root.dataset.theme === 'dark'
      : matchMedia('(prefers-color-scheme: dark)').matches
    root.dataset.theme = isDark ? 'light' : 'dark'
    localStorage.setItem('theme', root.dataset.theme)
  })
  // On a narrow screen the list of pages would come before everything.
  if (matchMedia('(max-width: 50rem)').matches) document.querySelector('nav details').open = false
})
