/** What a receiver needs to check a signature, to be pasted into one. */

export const languages = [
  { value: 'typescript', label: 'TypeScript' },
  { value: 'python', label: 'Python' },
  { value: 'go', label: 'Go' },
] as const
export type Language = (typeof languages)[number]['value']

/** `secret` as it stands in the environment of the receiver; for Ed25519 the public key. */
export function receiverSnippet(language: Language, path: string): string {
  return snippets[language].replaceAll('{path}', path)
}

const snippets: Record<Language, string> = {
  typescript: `import { createServer } from 'node:http'
import { verify } from 'postrider/verify'

createServer(async (request, response) => {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  try {
    const event = await verify({
      secret: process.env.WEBHOOK_SECRET!,
      headers: request.headers,
      body: Buffer.concat(chunks), // the raw bytes: they are what is signed
    })
    console.log(event.type, event.data)
    response.writeHead(204).end() // any 2xx says that you have it
  } catch {
    response.writeHead(400).end()
  }
}).listen(3000) // {path}
`,
  python: `# pip install standardwebhooks flask
import os
from flask import Flask, request
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

app = Flask(__name__)
webhook = Webhook(os.environ["WEBHOOK_SECRET"])

@app.post("{path}")
def receive():
    try:
        # the raw bytes: they are what is signed
        event = webhook.verify(request.get_data(), dict(request.headers))
    except WebhookVerificationError:
        return "", 400
    print(event["type"], event["data"])
    return "", 204  # any 2xx says that you have it
`,
  go: `// go get github.com/standard-webhooks/standard-webhooks/libraries
package main

import (
	"io"
	"log"
	"net/http"
	"os"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func main() {
	webhook, err := standardwebhooks.NewWebhook(os.Getenv("WEBHOOK_SECRET"))
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("POST {path}", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body) // the raw bytes: they are what is signed
		if err != nil || webhook.Verify(body, r.Header) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		log.Printf("%s", body)
		w.WriteHeader(http.StatusNoContent) // any 2xx says that you have it
	})
	log.Fatal(http.ListenAndServe(":3000", nil))
}
`,
}
