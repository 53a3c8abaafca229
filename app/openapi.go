package app

import (
	_ "embed"
	"net/http"
)

// openAPI describes the routes. Its tests compare it with the routes as they are mounted,
// with docs/schemas, and with what the routes answer.
//
//go:embed openapi.json
var openAPI []byte

func serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openAPI) // a client that left reads nothing
}
