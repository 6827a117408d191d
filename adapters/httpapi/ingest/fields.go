package ingest

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"logsift/adapters/httpapi/request"
	"logsift/domain"
)

// field is a member of a JSON object.
type field struct {
	// name is that of the member, after those of the objects around it.
	name string
	kind jsontext.Kind
	// text is the value of a string, the JSON of others.
	text string
	// attribute is whether it stood in an object named attributes, as entries are
	// shown: it is no part of the entry, whatever its name is.
	attribute bool
	// used is whether it has become a part of the entry.
	used bool
}

// fields are the members of an object that are not null, in their order.
type fields struct {
	list  []field
	named map[fieldKey]int // the place of each name
	count int              // members read, those of one name too
	name  []byte           // of the member that is read
}

type fieldKey struct {
	name      string
	attribute bool
}

// Limits of what is read of an object: more members than maxFields are dropped.
const (
	maxFields      = 1000
	attributesName = "attributes"
)

// readFields reads a JSON object.
func readFields(value []byte) (*fields, error) { return (&fields{}).parse(value) }

// readFields reads a JSON object into fields that are valid until the next is read.
func (in *receiver) readFields(value []byte) (*fields, error) { return in.fields.parse(value) }

// parse reads a JSON object over what was read before.
func (f *fields) parse(value []byte) (*fields, error) {
	if request.FirstByte(value) != '{' {
		return nil, &domain.ValidationError{Field: "entry", Rule: "must be a JSON object"}
	}
	if request.Deeper(value, request.MaxDepth) {
		return nil, &domain.ValidationError{Field: "entry", Rule: fmt.Sprintf("must be nested at most %d deep", request.MaxDepth)}
	}
	f.list, f.count = f.list[:0], 0
	clear(f.named)
	dec := jsontext.NewDecoder(bytes.NewBuffer(value), request.Lenient)
	_, err := dec.ReadToken()
	if err == nil {
		err = f.read(dec, 0, false)
	}
	if err != nil {
		return nil, &domain.ValidationError{Field: "entry", Rule: "must be valid JSON"}
	}
	if len(bytes.TrimSpace(value[dec.InputOffset():])) > 0 {
		return nil, &domain.ValidationError{Field: "entry", Rule: "must have nothing behind the JSON object"}
	}
	return f, nil
}

// read reads the rest of an object. The first bytes of f.name, as many as prefix, stand
// before the names.
func (f *fields) read(dec *jsontext.Decoder, prefix int, attribute bool) error {
	for dec.PeekKind() != jsontext.KindEndObject {
		key, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if f.full() {
			if err := dec.SkipValue(); err != nil {
				return err
			}
			continue
		}
		// The only error left is invalid UTF-8, which is replaced.
		f.name, _ = jsontext.AppendUnquote(f.name[:prefix], key)
		f.cutName()
		if dec.PeekKind() == jsontext.KindBeginObject {
			if _, err := dec.ReadToken(); err != nil {
				return err
			}
			inner, attribute := f.enter(prefix, attribute)
			if err := f.read(dec, inner, attribute); err != nil {
				return err
			}
			continue
		}
		raw, err := dec.ReadValue()
		if err != nil {
			return err
		}
		text, err := fieldText(raw)
		if err != nil {
			return err
		}
		f.put(raw.Kind(), text, attribute)
	}
	_, err := dec.ReadToken()
	return err
}

// cutName cuts the name to what one may have.
func (f *fields) cutName() {
	if len(f.name) > domain.MaxLogSource {
		end := domain.MaxLogSource
		for end > 0 && !utf8.RuneStart(f.name[end]) {
			end--
		}
		f.name = f.name[:end]
	}
	if !utf8.Valid(f.name) {
		f.name = bytes.ToValidUTF8(f.name, []byte("\uFFFD"))
	}
}

// enter returns the prefix of the names within the object of the name, and whether its
// members are attributes.
func (f *fields) enter(prefix int, attribute bool) (int, bool) {
	if prefix == 0 && string(f.name) == attributesName {
		return 0, true
	}
	f.name = append(f.name, '.')
	return len(f.name), attribute
}

// full counts a member and reports whether no more are kept.
func (f *fields) full() bool {
	f.count++
	return f.count > maxFields
}

// put adds a member of the name, or replaces the one that there is.
func (f *fields) put(kind jsontext.Kind, text string, attribute bool) {
	if kind == jsontext.KindNull || len(f.name) == 0 {
		return
	}
	if i, again := f.named[fieldKey{string(f.name), attribute}]; again {
		f.list[i].kind, f.list[i].text = kind, text
		return
	}
	if f.named == nil {
		f.named = map[fieldKey]int{}
	}
	name := string(f.name)
	f.named[fieldKey{name, attribute}] = len(f.list)
	f.list = append(f.list, field{name: name, kind: kind, text: text, attribute: attribute})
}

// fieldText returns a string's value, or the JSON of any other value.
func fieldText(raw jsontext.Value) (string, error) {
	if raw.Kind() == jsontext.KindString {
		// The only error left is invalid UTF-8, which is replaced.
		text, _ := jsontext.AppendUnquote(nil, raw)
		return strings.ToValidUTF8(string(text), "\uFFFD"), nil
	}
	if raw.Kind() == jsontext.KindBeginArray {
		raw = raw.Clone()
		if err := raw.Compact(request.Lenient); err != nil {
			return "", err
		}
	}
	return strings.ToValidUTF8(string(raw), "\uFFFD"), nil
}

// shared returns those of the fields that are looked at for each entry, where many
// entries have them in common.
func shared(list []field) []field { return list[:min(len(list), 2*domain.MaxLogAttributes)] }
