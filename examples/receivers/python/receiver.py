"""Receives webhooks and verifies them before it believes them.

    pip install -r requirements.txt
    WEBHOOK_SECRET=whsec_... python receiver.py

WEBHOOK_SECRET may be several, separated by spaces, while one is being replaced: secrets (whsec_...) and public keys
(whpk_...).
"""

import base64
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

TOLERANCE_SECONDS = 300
MOST_SIGNATURES = 20
MOST_BYTES = 1_048_576


def verify(secret: str, body: bytes, headers: dict) -> None:
    """Raises WebhookVerificationError unless the holder of the secret, or of the private key, signed this just now."""
    if secret.startswith("whpk_"):
        verify_with_public_key(secret, body, headers)
    else:
        Webhook(secret).verify(body, headers, json_parse=False)


def verify_with_public_key(public_key: str, body: bytes, headers: dict) -> None:
    """Ed25519 (v1a), which the library does not know yet."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key[len("whpk_") :]))
    message_id, timestamp, signatures = (
        headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")
    )
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        raise WebhookVerificationError("the request is not of now")
    content = f"{message_id}.{timestamp}.".encode() + body
    for signature in signatures.split(" ")[:MOST_SIGNATURES]:
        if not signature.startswith("v1a,"):
            continue
        try:
            key.verify(base64.b64decode(signature[len("v1a,") :], validate=True), content)
            return
        except (InvalidSignature, ValueError):
            continue
    raise WebhookVerificationError("no signature fits")


class Receiver(BaseHTTPRequestHandler):
    secrets: list[str] = []

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        if length > MOST_BYTES:
            self.answer(413)
            return
        # The bytes as they came in: what a JSON parser makes of them is not what was signed.
        body = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        if not any(self.fits(secret, body, headers) for secret in self.secrets):
            self.answer(401)
            return
        # The same for every attempt: remember it, and do what it asks for once.
        print(headers["webhook-id"], headers["postrider-event"], flush=True)
        self.answer(204)

    def fits(self, secret: str, body: bytes, headers: dict) -> bool:
        try:
            verify(secret, body, headers)
            return True
        # The library has its own error for a signature, and others for what cannot even be read.
        except (WebhookVerificationError, ValueError):
            return False

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    Receiver.secrets = os.environ["WEBHOOK_SECRET"].split()
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "3000"))), Receiver)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
