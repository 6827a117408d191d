package httpapi

import (
	"bytes"
	_ "embed" // for the document
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	"go.yaml.in/yaml/v3"
)

// openapiYAML is the contract as it is written.
//
//go:embed openapi.yaml
var openapiYAML []byte

// openapiFile is the contract as it is handed out.
var openapiFile = sync.OnceValue(func() *file { return newFile(mediaJSON, OpenAPI()) })

// OpenAPI returns the contract of the API, an OpenAPI 3.1 document, as JSON in the
// order in which it is written.
func OpenAPI() []byte {
	var root yaml.Node
	if err := yaml.Unmarshal(openapiYAML, &root); err != nil {
		panic(fmt.Sprintf("read the API's contract: %v", err)) // it is a part of the program
	}
	var buf bytes.Buffer
	if err := appendJSONNode(&buf, &root); err != nil {
		panic(fmt.Sprintf("convert the API's contract: %v", err))
	}
	return buf.Bytes()
}

func (a *API) getOpenAPI(w http.ResponseWriter, r *http.Request) error {
	openapiFile().serve(w, r)
	return nil
}

// appendJSONNode writes YAML as JSON, fields in their order.
func appendJSONNode(buf *bytes.Buffer, n *yaml.Node) error {
	switch n.Kind {
	case yaml.DocumentNode:
		return appendJSONNode(buf, n.Content[0])
	case yaml.AliasNode:
		return appendJSONNode(buf, n.Alias)
	case yaml.SequenceNode:
		return appendJSONNodes(buf, n.Content, '[', ']', 1)
	case yaml.MappingNode:
		return appendJSONNodes(buf, n.Content, '{', '}', 2)
	default:
		var v any
		if err := n.Decode(&v); err != nil {
			return fmt.Errorf("line %d: %w", n.Line, err)
		}
		return appendJSONText(buf, v)
	}
}

// appendJSONNodes writes a list of nodes between brackets; width is how many of
// them make an element.
func appendJSONNodes(buf *bytes.Buffer, nodes []*yaml.Node, begin, end byte, width int) error {
	buf.WriteByte(begin)
	for i, n := range nodes {
		switch {
		case i%width == 1:
			buf.WriteByte(':')
		case i > 0:
			buf.WriteByte(',')
		}
		if width == 2 && i%2 == 0 { // a name, also if YAML takes it for a number
			if err := appendJSONText(buf, n.Value); err != nil {
				return err
			}
			continue
		}
		if err := appendJSONNode(buf, n); err != nil {
			return err
		}
	}
	buf.WriteByte(end)
	return nil
}

func appendJSONText(buf *bytes.Buffer, v any) error {
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	buf.Truncate(buf.Len() - 1) // the newline
	return nil
}
