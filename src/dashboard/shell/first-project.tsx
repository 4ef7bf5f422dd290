import { Button, TextInput } from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { Redirect, useLocation } from 'wouter'
import { call } from '../api/client.ts'
import type { Project } from '../api/types.ts'
import { Loading, Problem } from '../parts/states.tsx'
import { lastProjectId } from './last-project.ts'
import { Mark } from './mark.tsx'
import { useMyProjects } from './project.ts'

/** Leads to the project that was open last, or to the first one. */
export function FirstProject() {
  const projects = useMyProjects()
  if (projects.error) return <Problem error={projects.error} retry={() => void projects.refetch()} />
  if (!projects.data) return <Loading />
  const last = projects.data.find(({ id }) => id === lastProjectId()) ?? projects.data[0]
  return last ? <Redirect to={`/projects/${last.id}`} replace /> : <NewProject />
}

function NewProject() {
  const [name, setName] = useState('')
  const [, navigate] = useLocation()
  const client = useQueryClient()
  const create = useMutation({
    mutationFn: () => call<Project>('POST', '/projects', { body: { name } }),
    onSuccess: async (project) => {
      await client.invalidateQueries({ queryKey: ['projects'] })
      navigate(`/projects/${project.id}`)
    },
  })
  return (
    <main className="door">
      <form
        className="card door-card"
        onSubmit={(event) => {
          event.preventDefault()
          create.mutate()
        }}
      >
        <Mark />
        <h1>Create the first project</h1>
        <p className="soft">
          A project holds its own webhooks, events and keys. One for each product or environment is usual.
        </p>
        <TextInput
          label="Name"
          placeholder="Shop"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          error={create.error?.message}
          data-autofocus
        />
        <Button type="submit" loading={create.isPending} disabled={name.trim() === ''} size="sm">
          Create project
        </Button>
      </form>
    </main>
  )
}
