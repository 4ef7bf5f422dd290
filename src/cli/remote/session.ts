import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type AnswerOf, PostriderApiError, PostriderClient, type ProjectClient } from '../../client/client.ts'
import type { Config } from '../../config.ts'
import { isUuid } from '../../ids.ts'
import { exitCodes, Failure } from '../failure.ts'
import type { RemoteOptions } from './declare.ts'
import { parseExactly } from './exact-json.ts'
import { Output } from './output.ts'

/** A server, a key and a project: what is given with the command, else by the settings, else what can only be meant. */
export class Session {
  readonly config: Config
  readonly output: Output
  /** Where the server is. */
  readonly url: string
  readonly #options: RemoteOptions
  #client: Promise<PostriderClient> | undefined

  constructor(config: Config, options: RemoteOptions) {
    this.config = config
    this.#options = options
    this.output = new Output({ isJson: options.json ?? false })
    this.url = serverOf(config, options)
  }

  client(): Promise<PostriderClient> {
    this.#client ??= this.#open()
    return this.#client
  }

  async project(): Promise<ProjectClient> {
    const client = await this.client()
    const given = this.#options.project ?? this.config.clientProject
    if (given && isUuid(given)) return client.project(given)
    return client.project(await projectNamed(client, given ?? undefined))
  }

  /** For what follows a stream, which would try again for ever: what is wrong from the beginning ends it here. */
  async reachedProject(): Promise<ProjectClient> {
    const project = await this.project()
    await project.getProject()
    return project
  }

  async #open(): Promise<PostriderClient> {
    const key = this.#options.key ?? this.config.clientKey ?? (await this.#ownKey())
    if (!key) {
      throw new Failure(
        `a key for ${this.url} is needed\ngive it with POSTRIDER_KEY or --key: a key of the project, or the admin key`,
        { exitCode: exitCodes.misused },
      )
    }
    if (!/^[\x21-\x7e]+$/.test(key)) {
      throw new Failure('the key must be one word of visible ASCII characters', {
        exitCode: exitCodes.misused,
      })
    }
    return new PostriderClient({ baseUrl: this.url, key, parse: parseExactly, retries: 2 })
  }

  /** That of the server which the settings are for, or of one on this machine; no other gets to see it. */
  async #ownKey(): Promise<string | undefined> {
    if (this.url !== ownUrl(this.config) && !isLoopback(this.url)) return undefined
    if (this.config.adminKey !== null) return this.config.adminKey
    if (this.config.databaseUrl !== null) return undefined
    const text = await readFile(join(this.config.dataDir, 'admin-key'), 'utf8').catch(() => '')
    return text.trim()
  }
}

function serverOf(config: Config, { url }: RemoteOptions): string {
  const given = url ?? config.clientUrl ?? ownUrl(config)
  if (!/^https?:$/.test(URL.parse(given)?.protocol ?? '')) {
    throw new Failure('--url must be a web address such as https://postrider.example.com', {
      exitCode: exitCodes.misused,
    })
  }
  return given.replace(/\/+$/, '')
}

function ownUrl({ publicUrl, host, port }: Config): string {
  const reached = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return publicUrl ?? `http://${reached.includes(':') ? `[${reached}]` : reached}:${port}`
}

function isLoopback(url: string): boolean {
  const { hostname } = new URL(url)
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}

type Project = AnswerOf<'getProject'>

const mostListed = 100

/** The id of the project of that name, or of the only one there is. */
async function projectNamed(client: PostriderClient, name: string | undefined): Promise<string> {
  const projects = await projectsToChoose(client, name)
  const found = name === undefined ? projects : projects.filter((project) => project.name === name)
  if (found.length === 1) return found[0]!.id
  const list = (found.length > 0 ? found : projects.slice(0, mostListed)).map(
    (project) => `  ${project.id}  ${project.name}`,
  )
  const problem =
    projects.length === 0
      ? 'there is no project yet: create one in the dashboard, or with POST /api/projects'
      : name === undefined
        ? `say which project with --project or POSTRIDER_PROJECT:\n${list.join('\n')}`
        : `${found.length === 0 ? 'no project has' : 'several projects have'} the name ${JSON.stringify(name)}:\n${list.join('\n')}`
  throw new Failure(problem, {
    exitCode: found.length === 0 && name !== undefined ? exitCodes.notFound : exitCodes.misused,
  })
}

/** All where one is meant by its name; else as many as can be listed. */
async function projectsToChoose(client: PostriderClient, name: string | undefined): Promise<Project[]> {
  try {
    const list = client.listProjects({ limit: mostListed })
    return name === undefined ? (await list).projects : await Array.fromAsync(list)
  } catch (error) {
    if (!(error instanceof PostriderApiError) || error.status !== 403) throw error
    throw new Failure(
      'say which project with --project ID or POSTRIDER_PROJECT: a key of a project cannot look it up',
      {
        exitCode: exitCodes.misused,
        cause: error,
      },
    )
  }
}
