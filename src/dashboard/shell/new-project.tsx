import { Button, TextInput } from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useLocation } from 'wouter'
import { call } from '../api/client.ts'
import type { Project } from '../api/types.ts'

/** A name is all that it needs; it leads to the project that was made. */
export function NewProject({ done }: { done?: () => void }) {
  const [name, setName] = useState('')
  const [, navigate] = useLocation()
  const client = useQueryClient()
  const create = useMutation({
    mutationFn: () => call<Project>('POST', '/projects', { body: { name: name.trim() } }),
    onSuccess: async (project) => {
      await client.invalidateQueries({ queryKey: ['projects'] })
      done?.()
      navigate(`/projects/${project.id}`)
    },
  })
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault()
        create.mutate()
      }}
    >
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
  )
}
