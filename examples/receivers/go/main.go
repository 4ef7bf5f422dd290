// Receives webhooks and verifies them before it believes them.
//
//	WEBHOOK_SECRET=whsec_... go run .
//
// WEBHOOK_SECRET may be several, separated by spaces, while one is being replaced: secrets (whsec_...) and public keys
// (whpk_...).
package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	tolerance      = 5 * time.Minute
	mostSignatures = 20
	mostBytes      = 1 << 20
)

// What says whether the holder of a secret, or of a private key, signed a request just now.
type verifier func(body []byte, headers http.Header) error

func verifierOf(secret string) (verifier, error) {
	if key, isPublic := strings.CutPrefix(secret, "whpk_"); isPublic {
		return publicKeyVerifier(key)
	}
	webhook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return nil, err
	}
	return webhook.Verify, nil
}

// Ed25519 (v1a), which the library does not know yet.
func publicKeyVerifier(text string) (verifier, error) {
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, errors.New("a public key is whpk_ and the base64 of 32 bytes")
	}
	return func(body []byte, headers http.Header) error {
		id, timestamp := headers.Get("webhook-id"), headers.Get("webhook-timestamp")
		seconds, err := strconv.ParseInt(timestamp, 10, 64)
		if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > tolerance {
			return errors.New("the request is not of now")
		}
		content := append([]byte(id+"."+timestamp+"."), body...)
		for index, signature := range strings.Split(headers.Get("webhook-signature"), " ") {
			encoded, isAsymmetric := strings.CutPrefix(signature, "v1a,")
			if !isAsymmetric || index >= mostSignatures {
				continue
			}
			given, err := base64.StdEncoding.DecodeString(encoded)
			if err == nil && ed25519.Verify(key, content, given) {
				return nil
			}
		}
		return errors.New("no signature fits")
	}, nil
}

func receive(verifiers []verifier) http.HandlerFunc {
	return func(response http.ResponseWriter, request *http.Request) {
		// The bytes as they came in: what a JSON parser makes of them is not what was signed.
		body, err := io.ReadAll(http.MaxBytesReader(response, request.Body, mostBytes))
		if err != nil {
			response.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		for _, verify := range verifiers {
			if verify(body, request.Header) == nil {
				// The id is the same for every attempt: remember it, and do what it asks for once.
				fmt.Println(request.Header.Get("webhook-id"), request.Header.Get("postrider-event"))
				response.WriteHeader(http.StatusNoContent)
				return
			}
		}
		response.WriteHeader(http.StatusUnauthorized)
	}
}

func main() {
	var verifiers []verifier
	for _, secret := range strings.Fields(os.Getenv("WEBHOOK_SECRET")) {
		verify, err := verifierOf(secret)
		if err != nil {
			log.Fatal(err)
		}
		verifiers = append(verifiers, verify)
	}
	port := os.Getenv("PORT")
	if port == "" {
		port = "3000"
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	server := &http.Server{Handler: receive(verifiers), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.Serve(listener))
}
