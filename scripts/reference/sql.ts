/** What SQL of an application may use, read out of the schema that the migrations make. */

const functions: Record<string, Record<string, string>> = {
  publish: {
    project_id: 'The project.',
    type: 'Segments of `A-Z a-z 0-9 _ -` joined by dots, at most 255 characters.',
    data: 'Any JSON up to 256 KiB and 64 levels; numbers are kept to the digit.',
    id: 'The idempotency key, any UUID. The same id again creates nothing; without it one is made.',
    application_id: 'The application that it comes from.',
    environment_name: 'The environment that it comes from.',
    timestamp: 'When it happened; without it, now.',
  },
  publish_many: {
    project_id: 'The project.',
    events:
      'A JSON array of 1 to 1,000 objects with the fields of the HTTP call: all of them are published, or none.',
  },
}

export function sqlPage(schema: string): string {
  return `# SQL

Functions and tables of the schema \`postrider\` that applications may rely on. [Publish from SQL](../publish-sql.md) shows
them at work.

${Object.entries(functions)
  .map(([name, about]) => functionSection(schema, name, about))
  .join('\n\n')}

## Answer

Both answer \`postrider.publication\`, \`publish_many\` one for each event, in order:

| column | type | |
| --- | --- | --- |
${columns(schema, 'TYPE', 'publication', {
  id: 'The id of the event.',
  deliveries: 'How many webhooks matched.',
  duplicate: 'The id was published before, with the same content.',
})}

## Rights

Nobody but the owner of the schema may call them until it is granted:

\`\`\`sql
CREATE ROLE publisher;
GRANT USAGE ON SCHEMA postrider TO publisher;
GRANT EXECUTE ON FUNCTION postrider.publish, postrider.publish_many TO publisher;
\`\`\`

Who is granted them may publish for every project, and reads nothing.

## postrider.webhook_deliveries

A view: each delivery with its payload. Rows of one project are seen by a role that was granted \`SELECT\` only after
\`SET postrider.project_id\`; the owner sees all.

| column |
| --- |
${viewColumns(schema, 'webhook_deliveries')
  .map((name) => `| \`${name}\` |`)
  .join('\n')}

## postrider.webhook_delivery_attempts

One row for each try.

| column | type |
| --- | --- |
${typedColumns(schema, 'TABLE', 'webhook_delivery_attempts')
  .map(([name, type]) => `| \`${name}\` | ${type} |`)
  .join('\n')}
`
}

function functionSection(schema: string, name: string, about: Record<string, string>): string {
  const [, args = '', returns = ''] =
    new RegExp(`FUNCTION postrider\\.${name}\\((.*)\\)\\n RETURNS (.*)\\n`).exec(schema) ?? []
  const rows = args.split(/, (?=")|, (?=[a-z_]+ [a-z])/).map((argument) => {
    const [, argumentName = '', type = '', fallback] =
      /^"?(\w+)"? (.*?)(?: DEFAULT (\w+)(?:::.*)?)?$/.exec(argument) ?? []
    const text = about[argumentName]
    if (text === undefined)
      throw new Error(`${name}: what is ${argumentName}? scripts/reference/sql.ts does not say`)
    return `| \`${argumentName}\` | ${shortType(type)} | ${fallback === undefined ? 'required' : 'optional'} | ${text} |`
  })
  if (rows.length !== Object.keys(about).length) throw new Error(`${name}: an argument is gone`)
  return `## postrider.${name}

Answers \`${returns}\`.

| argument | type | | |
| --- | --- | --- | --- |
${rows.join('\n')}`
}

function columns(schema: string, kind: string, name: string, about: Record<string, string>): string {
  return typedColumns(schema, kind, name)
    .map(([column, type]) => `| \`${column}\` | ${type} | ${about[column] ?? ''} |`)
    .join('\n')
}

function typedColumns(schema: string, kind: string, name: string): [string, string][] {
  const [, body = ''] =
    new RegExp(`CREATE ${kind} postrider\\.${name} (?:AS )?\\(\\n([\\s\\S]*?)\\n\\);`).exec(schema) ?? []
  return body
    .split(',\n')
    .filter((line) => !line.includes('CONSTRAINT'))
    .map((line) => /^ {2}(\w+) (.*?)(?: NOT NULL)?(?: DEFAULT .*)?$/.exec(line))
    .map((match) => [match![1]!, shortType(match![2]!)])
}

function viewColumns(schema: string, name: string): string[] {
  const [, body = ''] =
    new RegExp(`CREATE VIEW postrider\\.${name} [\\s\\S]*?SELECT ([\\s\\S]*?)\\n   FROM`).exec(schema) ?? []
  return body.split(/,\n/).map((line) => /(\w+)$/.exec(line.trim())![1]!)
}

function shortType(type: string): string {
  return type.replace('timestamp with time zone', 'timestamptz')
}
