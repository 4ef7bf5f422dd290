import { errorCodes } from '../../src/contract/errors.ts'

export function errorsPage(): string {
  const rows = Object.entries(errorCodes).map(
    ([code, { status, title }]) => `| \`${code}\` | ${status} | ${title} |`,
  )
  return `# Error codes

The API answers errors as \`application/problem+json\` (RFC 9457); the library throws a \`PostriderError\` and the client a
\`PostriderApiError\` with the same \`code\`. Programs look at \`code\`, which is stable; \`detail\` is for people and may
change. \`errors\` says what is wrong field by field.

| code | status | meaning |
| --- | --- | --- |
${rows.join('\n')}

\`rate_limited\` and \`unavailable\` come with \`retry-after\`, in seconds.

<!-- block: shape Problem -->
\`\`\`json
{
  "type": "about:blank",
  "title": "The input is not valid",
  "status": 422,
  "code": "validation_failed",
  "detail": "unknown field \`typ\`: did you mean \`type\`?",
  "errors": [{ "path": "typ", "message": "unknown field \`typ\`: did you mean \`type\`?" }]
}
\`\`\`

## From SQL

\`postrider.publish\` raises, and names the field in the error's \`COLUMN\`:

| SQLSTATE | when |
| --- | --- |
| \`22004\`, \`22023\` | a field is missing or wrong |
| \`23503\` | no such project (\`project_id\`), or no such application in it (\`application_id\`) |
| \`23505\` | the id was published before with other content |
| \`54000\` | \`data\` is larger than 256 KiB |
| \`54001\` | \`data\` is nested deeper than 64 levels |
`
}
