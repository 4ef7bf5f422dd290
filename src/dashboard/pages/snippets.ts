import type { Webhook } from '../api/types.ts'

/** What a receiver needs to check a signature, to be pasted into one. */

export const languages = [
  { value: 'typescript', label: 'TypeScript' },
  { value: 'python', label: 'Python' },
  { value: 'go', label: 'Go' },
] as const
export type Language = (typeof languages)[number]['value']

interface SnippetOptions {
  /** Of the URL. */
  path: string
  scheme: Webhook['signature_scheme']
}

/** It reads `WEBHOOK_SECRET`: the secret, or the public key where a private one signs (`v1a`). */
export function receiverSnippet(language: Language, { path, scheme }: SnippetOptions): string {
  return snippets[scheme][language].replaceAll('{path}', path)
}

const typescript = `import { createServer } from 'node:http'
import { verify } from 'postrider/verify'

createServer(async (request, response) => {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  try {
    const event = verify({
      secret: process.env.WEBHOOK_SECRET!,
      headers: request.headers,
      body: Buffer.concat(chunks), // the raw bytes: they are what is signed
    })
    console.log(event)
    response.writeHead(204).end() // any 2xx says that you have it
  } catch {
    response.writeHead(400).end()
  }
}).listen(3000) // {path}
`

const python = `# pip install standardwebhooks
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

webhook = Webhook(os.environ["WEBHOOK_SECRET"])

class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        # the raw bytes: they are what is signed
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            print(webhook.verify(body, headers))
            self.send_response(204)  # any 2xx says that you have it
        except (WebhookVerificationError, ValueError):
            self.send_response(400)
        self.end_headers()

HTTPServer(("127.0.0.1", 3000), Receiver).serve_forever()  # {path}
`

const go = `// go get github.com/standard-webhooks/standard-webhooks/libraries
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
	http.HandleFunc("{path}", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body) // the raw bytes: they are what is signed
		if err != nil || webhook.Verify(body, r.Header) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		log.Printf("%s", body)
		w.WriteHeader(http.StatusNoContent) // any 2xx says that you have it
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:3000", nil))
}
`

/** The libraries of Standard Webhooks know shared secrets alone. */
const pythonWithPublicKey = `# pip install cryptography
import base64, os, time
from http.server import BaseHTTPRequestHandler, HTTPServer
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

secret = os.environ["WEBHOOK_SECRET"]  # whpk_…
key = Ed25519PublicKey.from_public_bytes(base64.b64decode(secret.removeprefix("whpk_")))

def fits(signature, content):
    try:
        key.verify(base64.b64decode(signature.removeprefix("v1a,")), content)
        return True
    except (InvalidSignature, ValueError):
        return False

class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        # the raw bytes: they are what is signed
        body = self.rfile.read(int(self.headers["content-length"]))
        id, timestamp, signatures = (self.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
        is_recent = timestamp.isdecimal() and abs(time.time() - int(timestamp)) < 300
        content = f"{id}.{timestamp}.".encode() + body
        is_signed = is_recent and any(fits(each, content) for each in signatures.split() if each.startswith("v1a,"))
        if is_signed:
            print(body.decode())
        self.send_response(204 if is_signed else 400)  # any 2xx says that you have it
        self.end_headers()

HTTPServer(("127.0.0.1", 3000), Receiver).serve_forever()  # {path}
`

const goWithPublicKey = `package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

var key, _ = base64.StdEncoding.DecodeString(strings.TrimPrefix(os.Getenv("WEBHOOK_SECRET"), "whpk_"))

func isSigned(body []byte, headers http.Header) bool {
	id, timestamp := headers.Get("webhook-id"), headers.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
		return false
	}
	content := append([]byte(id+"."+timestamp+"."), body...)
	for _, each := range strings.Fields(headers.Get("webhook-signature")) {
		text, isAsymmetric := strings.CutPrefix(each, "v1a,")
		signature, err := base64.StdEncoding.DecodeString(text)
		if isAsymmetric && err == nil && ed25519.Verify(key, content, signature) {
			return true
		}
	}
	return false
}

func main() {
	if len(key) != ed25519.PublicKeySize {
		log.Fatal("WEBHOOK_SECRET is no public key")
	}
	http.HandleFunc("{path}", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body) // the raw bytes: they are what is signed
		if err != nil || !isSigned(body, r.Header) {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		log.Printf("%s", body)
		w.WriteHeader(http.StatusNoContent) // any 2xx says that you have it
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:3000", nil))
}
`

const snippets: Record<Webhook['signature_scheme'], Record<Language, string>> = {
  v1: { typescript, python, go },
  v1a: { typescript, python: pythonWithPublicKey, go: goWithPublicKey },
}
