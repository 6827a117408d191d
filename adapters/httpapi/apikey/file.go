package apikey

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Bounds of a file.
const (
	maxFileBytes = 4 << 20
	maxKeys      = 10_000
)

// fileHeader is the comment at the top of a file.
const fileHeader = `# API keys of logsift, made by "logsift key create". It holds hashes, not the keys.
# Servers see a change within a second. Only their user needs to read this file.
`

// fileContents is the YAML of a file.
type fileContents struct {
	Keys []yaml.Node `yaml:"keys"`
}

// record is a key in a file.
type record struct {
	ID      string    `yaml:"id"`
	Name    string    `yaml:"name"`
	Role    string    `yaml:"role"`
	Created time.Time `yaml:"created"`
	Expires time.Time `yaml:"expires,omitempty"`
	Revoked time.Time `yaml:"revoked,omitempty"`
	Hash    string    `yaml:"hash"`
	Session string    `yaml:"session"`
}

const (
	hashScheme    = "sha256:"
	sessionScheme = "ed25519:"
)

// Load reads the keys of a file. Errors name the line and what is to be done.
func Load(path string) (Keys, error) {
	list, err := List(path)
	if err != nil {
		return Keys{}, err
	}
	return Of(list...), nil
}

// List reads the keys of a file in their order.
func List(path string) ([]Key, error) {
	raw, err := readFile(path)
	if err != nil {
		return nil, err
	}
	var contents fileContents
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true)
	if err := dec.Decode(&contents); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w: it must be as logsift key create wrote it", path, plainYAML(err))
	}
	if len(contents.Keys) > maxKeys {
		return nil, fmt.Errorf("%s: has more than %d keys: remove those that were revoked", path, maxKeys)
	}
	out := make([]Key, 0, len(contents.Keys))
	lines := make(map[string]int, len(contents.Keys))
	for _, node := range contents.Keys {
		key, err := readKey(&node)
		if err == nil {
			if first, twice := lines[key.ID]; twice {
				err = fmt.Errorf("id %s is that of line %d too", key.ID, first)
			}
			lines[key.ID] = node.Line
		}
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w: mend or remove this key", path, node.Line, err)
		}
		out = append(out, key)
	}
	return out, nil
}

// errExposed is the error of a file that others than its owner can change.
var errExposed = errors.New("can be changed by others, who may give themselves a key")

// readFile reads a file that others than its owner can neither change nor replace.
func readFile(path string) ([]byte, error) {
	for _, dir := range foldersOf(path) {
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
			return nil, fmt.Errorf("%s %w, since its folder has the mode %04o: chmod go-w %s", path, errExposed, info.Mode().Perm(), dir)
		}
	}
	file, err := open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: make it by logsift key create --keys %s --role admin --name NAME", err, path)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // It was only read.
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file: is it a file of keys?", path)
	case info.Mode().Perm()&0o022 != 0:
		return nil, fmt.Errorf("%s %w, since it has the mode %04o: chmod 600 %s", path, errExposed, info.Mode().Perm(), path)
	case info.Size() > maxFileBytes:
		return nil, fmt.Errorf("%s is larger than %d bytes: is it a file of keys?", path, maxFileBytes)
	}
	return io.ReadAll(io.LimitReader(file, maxFileBytes))
}

// foldersOf returns the folders in which a file could be replaced: that of its name,
// and that of the file itself where the name is a symbolic link.
func foldersOf(path string) []string {
	out := []string{filepath.Dir(path)}
	if at, err := filepath.EvalSymlinks(path); err == nil && filepath.Dir(at) != out[0] {
		out = append(out, filepath.Dir(at))
	}
	return out
}

// readKey reads one key.
func readKey(node *yaml.Node) (Key, error) {
	var r record
	// A node does not know of KnownFields, so that it is written out first.
	raw, err := yaml.Marshal(node)
	if err == nil {
		dec := yaml.NewDecoder(bytes.NewReader(raw))
		dec.KnownFields(true)
		err = dec.Decode(&r)
	}
	if err != nil {
		return Key{}, withoutLine(plainYAML(err))
	}
	role, err := ParseRole(r.Role)
	if err != nil {
		return Key{}, err
	}
	key := Key{ID: r.ID, Name: r.Name, Role: role, Created: r.Created, Expires: r.Expires, Revoked: r.Revoked}
	if err := key.validate(); err != nil {
		return Key{}, err
	}
	hash, ok := strings.CutPrefix(r.Hash, hashScheme)
	if n, err := hex.Decode(key.hash[:], []byte(hash[:min(len(hash), hex.EncodedLen(sha256.Size))])); !ok || err != nil || n != sha256.Size || len(hash) != hex.EncodedLen(sha256.Size) {
		return Key{}, errors.New("hash must be sha256: and 64 hexadecimal digits")
	}
	verify, ok := strings.CutPrefix(r.Session, sessionScheme)
	if key.verify, err = base64.StdEncoding.DecodeString(verify); !ok || err != nil || len(key.verify) != ed25519.PublicKeySize {
		return Key{}, errors.New("session must be ed25519: and a public key in base64")
	}
	return key, nil
}

// plainYAML takes the library's name and the names of Go types off an error.
func plainYAML(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	text = strings.TrimPrefix(text, "unmarshal errors:\n  ")
	for _, name := range []string{" in type apikey.record", " in type apikey.fileContents"} {
		text = strings.ReplaceAll(text, name, "")
	}
	first, _, _ := strings.Cut(text, "\n")
	return errors.New(first)
}

// withoutLine takes off the number of a line that is not one of the file.
func withoutLine(err error) error {
	if rest, ok := strings.CutPrefix(err.Error(), "line "); ok {
		if _, text, found := strings.Cut(rest, ": "); found {
			return errors.New(text)
		}
	}
	return err
}

// Create makes a key and adds it to the file, which it makes if there is none. The
// text is the key. A zero expiry is never.
func Create(path, name string, role Role, now, expires time.Time) (key Key, text string, err error) {
	if err := ValidateName(name); err != nil {
		return Key{}, "", err
	}
	err = change(path, true, func(keys []Key) ([]Key, error) {
		if len(keys) == maxKeys {
			return nil, fmt.Errorf("%s has %d keys already: remove those that were revoked", path, maxKeys)
		}
		for _, other := range keys {
			if other.Name == name && other.usable(now) == nil {
				return nil, fmt.Errorf("key %s has the name %q already: choose another, or revoke it first", other.ID, name)
			}
		}
		key, text = New(name, role, now, expires)
		return append(keys, key), nil
	})
	if err != nil {
		return Key{}, "", err
	}
	return key, text, nil
}

// Revoke marks the key of that id as revoked, for ever. Once more changes nothing.
func Revoke(path, id string, now time.Time) (revoked Key, err error) {
	err = change(path, false, func(keys []Key) ([]Key, error) {
		for i := range keys {
			if keys[i].ID == id {
				if keys[i].Revoked.IsZero() {
					keys[i].Revoked = now.UTC().Truncate(time.Second)
				}
				revoked = keys[i]
				return keys, nil
			}
		}
		return nil, fmt.Errorf("no key of %s has the id %q: logsift key list shows the ids", path, id)
	})
	return revoked, err
}

// change reads the file, and replaces it at once by one with the changed keys: a
// reader sees the one or the other, and after a crash one of them is there. Two
// changes at a time wait for each other.
func change(path string, create bool, f func([]Key) ([]Key, error)) error {
	unlock, err := lock(path)
	if err != nil {
		return err
	}
	defer unlock()
	keys, err := List(path)
	if create && errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return err
	}
	if keys, err = f(keys); err != nil {
		return err
	}
	return write(path, keys)
}

func write(path string, keys []Key) error {
	records := make([]record, len(keys))
	for i := range keys {
		k := &keys[i]
		records[i] = record{
			ID: k.ID, Name: k.Name, Role: k.Role.String(), Created: k.Created, Expires: k.Expires, Revoked: k.Revoked,
			Hash: hashScheme + hex.EncodeToString(k.hash[:]), Session: sessionScheme + base64.StdEncoding.EncodeToString(k.verify),
		}
	}
	var out bytes.Buffer
	out.WriteString(fileHeader)
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(map[string]any{"keys": records}); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := writeAtomically(path, out.Bytes()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// writeAtomically replaces a file; a new one is readable by its owner only.
func writeAtomically(path string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".keys-*") // with mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }() // It is gone if it was renamed.
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = keepOwner(path, file)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	return syncDir(path)
}
