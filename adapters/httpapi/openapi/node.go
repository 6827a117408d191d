package openapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"
)

// expanded returns a copy of a node with aliases and lists of names replaced by what they
// stand for.
func expanded(n *yaml.Node, lists map[string][]string) *yaml.Node {
	list, known := lists[n.Value]
	switch {
	case n.Kind == yaml.AliasNode:
		return expanded(n.Alias, lists)
	case n.Tag == "!names" && known:
		return nodeOf(list)
	case n.Tag == "!anyCase" && known:
		return nodeOf(anyCase(list))
	case !strings.HasPrefix(n.Tag, "!!"):
		panic(fmt.Sprintf("line %d of the API's contract: there is no %s %q", n.Line, n.Tag, n.Value))
	}
	out := *n
	out.Content = make([]*yaml.Node, len(n.Content))
	for i := range n.Content {
		out.Content[i] = expanded(n.Content[i], lists)
	}
	return &out
}

type object = map[string]any

// ref refers to a component of the document.
func ref(kind, name string) object { return object{"$ref": "#/components/" + kind + "/" + name} }

// nodeOf returns a value that JSON has as a node.
func nodeOf(v any) *yaml.Node {
	var doc yaml.Node
	text, err := json.Marshal(v)
	if err == nil {
		err = yaml.Unmarshal(text, &doc) // JSON is YAML
	}
	if err != nil {
		panic(fmt.Sprintf("fill in the API's contract: %v", err)) // it is a part of the program
	}
	return doc.Content[0]
}

// index returns where a member of an object has its name, -1 if there is none.
func index(n *yaml.Node, name string) int {
	for i := 0; n != nil && i < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return i
		}
	}
	return -1
}

// member returns the node at a path of names, nil if there is none.
func member(n *yaml.Node, path ...string) *yaml.Node {
	for _, name := range path {
		i := index(n, name)
		if i < 0 {
			return nil
		}
		n = n.Content[i+1]
	}
	return n
}

// memberOr returns a member, which is set to a value if there is none.
func memberOr(n *yaml.Node, name string, value any) *yaml.Node {
	if index(n, name) < 0 {
		put(n, name, nodeOf(value))
	}
	return member(n, name)
}

// take returns a member and takes it away, nil if there is none.
func take(n *yaml.Node, name string) *yaml.Node {
	i := index(n, name)
	if i < 0 {
		return nil
	}
	value := n.Content[i+1]
	n.Content = slices.Delete(n.Content, i, i+2)
	return value
}

// put sets a member, which comes last if it is new.
func put(n *yaml.Node, name string, value *yaml.Node) {
	take(n, name)
	n.Content = append(n.Content, nodeOf(name), value)
}

// write writes a node as JSON, members in their order.
func write(enc *jsontext.Encoder, n *yaml.Node) error {
	begin, end := jsontext.BeginObject, jsontext.EndObject
	switch n.Kind {
	case yaml.SequenceNode:
		begin, end = jsontext.BeginArray, jsontext.EndArray
	case yaml.MappingNode:
	default:
		if n.Tag == "!!str" {
			return enc.WriteToken(jsontext.String(n.Value))
		}
		var v any
		err := n.Decode(&v)
		text, fault := json.Marshal(v)
		return errors.Join(err, fault, enc.WriteValue(text))
	}
	err := enc.WriteToken(begin)
	for i, x := range n.Content {
		switch {
		case err != nil:
			return err
		case n.Kind == yaml.MappingNode && i%2 == 0: // a name, also if YAML takes it for a number
			err = enc.WriteToken(jsontext.String(x.Value))
		default:
			err = write(enc, x)
		}
	}
	return errors.Join(err, enc.WriteToken(end))
}
