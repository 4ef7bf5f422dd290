import { ActionIcon, Menu } from '@mantine/core'
import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { baseUrl, call, get } from '../api/client.ts'
import type { Page as PageOf, PasswordLink, User } from '../api/types.ts'
import { curl } from '../parts/curl.ts'
import { Icon } from '../parts/icons.tsx'
import { Page } from '../parts/page.tsx'
import { Empty, Loading, Problem } from '../parts/states.tsx'
import { Badge } from '../parts/status.tsx'
import { type Column, More, Table } from '../parts/table.tsx'
import { Ago } from '../parts/time.tsx'
import { tell, tellError } from '../parts/toasts.tsx'
import { visible } from '../parts/words.ts'
import { LinkToSend } from './link-to-send.tsx'

/** Everybody there is, for the owner. */
export default function Users() {
  const list = useInfiniteQuery({
    queryKey: ['users'],
    queryFn: ({ pageParam, signal }) => get<PageOf<'users', User>>('/users', { cursor: pageParam }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next_cursor,
  })
  const users = list.data?.pages.flatMap((page) => page.users)
  return (
    <Page
      title="All users"
      about={<span className="soft">In all projects. Who belongs to which stands under People of each.</span>}
    >
      {list.error && !users ? (
        <Problem error={list.error} retry={() => void list.refetch()} />
      ) : !users ? (
        <Loading rows={4} />
      ) : users.length === 0 ? (
        <Empty icon="people" title="Nobody yet" curl={curl('GET', new URL('api/users', baseUrl).href)}>
          Open the link that was printed when the server started first, and become the owner.
        </Empty>
      ) : (
        <div className="card">
          <UserTable users={users} />
          <More query={list} />
        </div>
      )}
    </Page>
  )
}

function UserTable({ users }: { users: User[] }) {
  const columns: Column<User>[] = [
    {
      name: 'name',
      head: 'Name',
      isWide: true,
      cell: ({ name, email }) => (
        <div className="two-lines">
          <span className="row-title anywhere">{visible(name ?? email)}</span>
          {name && <span className="muted small anywhere">{visible(email)}</span>}
        </div>
      ),
    },
    { name: 'state', head: 'State', cell: (user) => <UserState user={user} /> },
    {
      name: 'login',
      head: 'Logs in by',
      narrow: 'hidden',
      cell: ({ has_password, has_single_sign_on }) =>
        [has_password && 'password', has_single_sign_on && 'single sign-on'].filter(Boolean).join(', ') || (
          <span className="muted">–</span>
        ),
    },
    {
      name: 'seen',
      head: 'Last seen',
      narrow: 'hidden',
      cell: ({ last_seen_at }) => <Ago at={last_seen_at} empty="not lately" />,
    },
    {
      name: 'actions',
      head: <span className="visually-hidden">Actions</span>,
      align: 'right',
      cell: (user) => <UserActions user={user} />,
    },
  ]
  return <Table label="Users" columns={columns} rows={users} keyOf={({ id }) => id} />
}

function UserState({ user: { is_owner, is_disabled } }: { user: User }) {
  if (is_disabled)
    return (
      <Badge tone="grey" icon="inactive">
        Disabled
      </Badge>
    )
  return is_owner ? (
    <Badge tone="blue" icon="delivered">
      Owner
    </Badge>
  ) : (
    <Badge tone="green" icon="delivered">
      Active
    </Badge>
  )
}

function UserActions({ user }: { user: User }) {
  const client = useQueryClient()
  const [link, setLink] = useState<PasswordLink>()
  const change = useMutation<unknown, Error, object>({
    mutationFn: (body) => call('PATCH', `/users/${user.id}`, { body }),
    onSuccess: () => tell('Changed'),
    onError: tellError,
    onSettled: () => client.invalidateQueries({ queryKey: ['users'] }),
  })
  const reset = useMutation({
    mutationFn: () => call<PasswordLink>('POST', `/users/${user.id}/password-link`),
    onSuccess: setLink,
    onError: tellError,
  })
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon aria-label={`Actions for ${user.email}`}>
            <Icon name="more" />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => reset.mutate()}>Link for a new password</Menu.Item>
          <Menu.Item onClick={() => change.mutate({ is_owner: !user.is_owner })}>
            {user.is_owner ? 'Make no owner any more' : 'Make an owner'}
          </Menu.Item>
          <Menu.Item
            color={user.is_disabled ? undefined : 'red'}
            onClick={() => change.mutate({ is_disabled: !user.is_disabled })}
          >
            {user.is_disabled ? 'Enable' : 'Disable, and end all sessions'}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {link && (
        <LinkToSend
          title={`Send this to ${user.email}`}
          url={link.url}
          expiresAt={link.expires_at}
          close={() => setLink(undefined)}
        />
      )}
    </>
  )
}
