// Package openapi makes the contract of the API, an OpenAPI 3.1 document: openapi.yaml,
// and what it leaves out because Go knows it. That are the answers that routes share, by
// the table of routes; the problems in an answer, by the table of errors; and the names
// that a field may have.
package openapi

import (
	"bytes"
	_ "embed" // for the document
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"
)

// source is the contract as it is written.
//
//go:embed openapi.yaml
var source []byte

// Route is a route of the API, for one operation of the document by each method. HEAD is
// a part of GET.
type Route struct {
	Methods []string
	// Path has its variables by name only: /tasks/{id}.
	Path string
	// Prefix is whether the route has every path that begins so.
	Prefix bool
	// Public is whether it is open to everybody, Changes whether it changes something.
	Public, Changes bool
	// AnyQuery is whether the query may hold anything.
	AnyQuery bool
	// Protocol is what its clients speak.
	Protocol Protocol
}

// Protocol names the answers of a protocol in the document. The zero Protocol is that of
// the API, whose errors are problems.
type Protocol struct {
	// name begins the names of the answers to callers that may not do it, failure those
	// of other errors.
	name, failure string
}

// Protocols of log shippers.
var (
	OTLP          = Protocol{"Otlp", "OtlpStatus"}
	Loki          = Protocol{"Loki", "LokiError"}
	Elasticsearch = Protocol{"Elastic", "ElasticError"}
)

// Document returns the contract as JSON in the order in which it is written.
func Document(routes []Route) []byte {
	var doc yaml.Node
	if err := yaml.Unmarshal(source, &doc); err != nil {
		panic(fmt.Sprintf("read the API's contract: %v", err)) // it is a part of the program
	}
	var buf bytes.Buffer
	if err := write(jsontext.NewEncoder(&buf), filled(doc.Content[0], routes)); err != nil {
		panic(fmt.Sprintf("convert the API's contract: %v", err))
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}
