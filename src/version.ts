import packageJson from '../package.json' with { type: 'json' }

/** The package's version, as in the `user-agent` of every request. */
export const version: string = packageJson.version
