//go:build ignore

// Command openapi prints the contract of the API.
package main

import (
	"os"

	"logsift/adapters/httpapi"
)

func main() { os.Stdout.Write(httpapi.OpenAPI()) }
