package ingest

import (
	"bytes"
	"fmt"
	"slices"
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
	named map[fieldKey]int // the place of each name in a list of more than shortList
	count int              // members read, those of one name too
	name  []byte           // of the member that is read
	dec   *jsontext.Decoder
	// names are those with a meaning; of fields with others only the first maxPlain are kept.
	// Nil keeps all.
	names *fieldNames
}

type fieldKey struct {
	name      string
	attribute bool
}

// Limits of what is read of an object: more members than maxFields are dropped.
const (
	maxFields = 1000
	// maxPlain is how many fields may become attributes: an attribute may have the name of
	// a field, and so not be one.
	maxPlain = 2 * domain.MaxLogAttributes
	// shortList is how many fields are looked through for a name.
	shortList      = 16
	attributesName = "attributes"
)

// readFields reads a JSON object.
func readFields(value []byte) (*fields, error) { return (&fields{}).parse(value) }

// readFields reads a JSON object into fields that are valid until the next is read.
func (in *receiver) readFields(value []byte) (*fields, error) {
	in.fields.names = &in.names
	return in.fields.parse(value)
}

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
	if f.dec == nil {
		f.dec = jsontext.NewDecoder(bytes.NewBuffer(value), request.Lenient)
	} else {
		f.dec.Reset(bytes.NewBuffer(value), request.Lenient)
	}
	_, err := f.dec.ReadToken()
	if err == nil {
		err = f.read(f.dec, 0, false)
	}
	if err != nil {
		return nil, &domain.ValidationError{Field: "entry", Rule: "must be valid JSON"}
	}
	if len(bytes.TrimSpace(value[f.dec.InputOffset():])) > 0 {
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
		if !f.keeps(attribute) {
			continue
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
	if i := f.find(attribute); i >= 0 {
		f.list[i].kind, f.list[i].text = kind, text
		return
	}
	name := string(f.name)
	f.list = append(f.list, field{name: name, kind: kind, text: text, attribute: attribute})
	switch n := len(f.list); {
	case n == shortList+1:
		if f.named == nil {
			f.named = map[fieldKey]int{}
		}
		for i := range f.list {
			f.named[fieldKey{f.list[i].name, f.list[i].attribute}] = i
		}
	case n > shortList:
		f.named[fieldKey{name, attribute}] = n - 1
	}
}

// find returns the place of the name in the list, or -1.
func (f *fields) find(attribute bool) int {
	if len(f.list) > shortList {
		if i, ok := f.named[fieldKey{string(f.name), attribute}]; ok {
			return i
		}
		return -1
	}
	return slices.IndexFunc(f.list, func(other field) bool { return other.attribute == attribute && other.name == string(f.name) })
}

// keeps reports whether a field of the name can become a part of the entry.
func (f *fields) keeps(attribute bool) bool {
	if len(f.list) < maxPlain || f.names == nil || f.find(attribute) >= 0 {
		return true
	}
	if attribute || len(f.name) > f.names.longest {
		return false
	}
	_, ok := f.names.ranks[string(f.name)]
	if !ok && slices.ContainsFunc(f.name, func(c byte) bool { return c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf }) {
		_, ok = f.names.rank(string(f.name))
	}
	return ok
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
func shared(list []field) []field { return list[:min(len(list), maxPlain)] }
