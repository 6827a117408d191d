// Package apikey makes and checks the keys of the HTTP API.
//
// # Form
//
// A key is ls_ID_SECRET: ID is 10 and SECRET 52 characters of the lower-case base32
// alphabet (RFC 4648, without padding), the second of 32 random bytes. So a key is
// one word for a double click, needs no escaping, and can be found by scanners as
// ls_[a-z2-7]{10}_[a-z2-7]{52}.
//
// # What is stored
//
// A [File] holds a SHA-256 hash of each key, and the public half of a signing key that
// is derived from the key. A slow, salted hash is for passwords, which people choose;
// 256 random bits cannot be guessed, whatever a guess costs. Whoever reads the file
// learns no key and can sign no session.
//
// # Sessions
//
// A browser gets no key to keep. [Keys.SignIn] derives an Ed25519 key from the key
// that was typed and signs a session of at most [SessionLifetime]; [Keys.Session]
// verifies that with the public half. So a stolen cookie is of use for hours, not for
// the life of the key; a session is good at every process that has the file, and ends at
// once with its key. [SignedOut] ends single ones before their time.
package apikey

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Role is what a key may do; each includes those before it, but Ingest, Worker and Read
// do not include one another. The zero Role may do nothing.
type Role uint8

// The roles.
const (
	// AnyRole is what every key has, and no key alone: it shows nothing that is stored.
	AnyRole Role = iota + 1
	// Ingest: send logs.
	Ingest
	// Worker: claim tasks, report on them, and see no others.
	Worker
	// Read: everything that changes nothing.
	Read
	// Write: send logs, create tasks, work on them, and retry, cancel and run single ones.
	Write
	// Admin: everything, so also deleting, bulk changes, pausing queues and settings.
	Admin
)

var roleNames = [...]string{Ingest: "ingest", Worker: "worker", Read: "read", Write: "write", Admin: "admin"}

// RoleRule says in an error what the name of a role must be.
const RoleRule = "must be ingest, worker, read, write or admin"

// String returns the name of the role, "" for none.
func (r Role) String() string {
	if int(r) >= len(roleNames) {
		return ""
	}
	return roleNames[r]
}

// ParseRole returns the role of that name.
func ParseRole(name string) (Role, error) {
	for role := Ingest; role <= Admin; role++ {
		if name == role.String() {
			return role, nil
		}
	}
	return 0, errors.New("role " + RoleRule)
}

// Includes reports whether the role may do what needs the other. Nothing is included
// in the zero Role, nor does any role include that.
func (r Role) Includes(other Role) bool {
	beside := other > AnyRole && r < Write // Ingest, Worker and Read are
	return other != 0 && r >= other && (r == other || !beside)
}

// Holder is who a key was given to.
type Holder struct {
	ID, Name string
	Role     Role
}

// Errors of [Keys]. ErrUnknown is that of a key that is no key, one that no key of
// the file has the id of, and one with another secret; nothing tells these apart. The
// others are of keys that were right once.
var (
	ErrUnknown = errors.New("the key is not known")
	ErrExpired = errors.New("the key has expired")
	ErrRevoked = errors.New("the key was revoked")
)

// SessionLifetime is how long a session lasts.
const SessionLifetime = 12 * time.Hour

const (
	keyPrefix     = "ls"
	sessionPrefix = "lss"
	idLength      = 10
	secretBytes   = 32
	nonceLength   = 16
	// maxLength bounds what is looked at: a session is the longest, of 3+1+10+1+19+1+16+1+86.
	maxLength = 144
)

var alphabet = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Key is what is known of a key: all but the key.
type Key struct {
	ID      string
	Name    string
	Role    Role
	Created time.Time
	// Expires and Revoked are zero for never.
	Expires, Revoked time.Time

	hash   [sha256.Size]byte
	verify ed25519.PublicKey
}

// New makes a key. The text is the key itself, which is stored nowhere. A zero
// expiry is never.
func New(name string, role Role, created, expires time.Time) (key Key, text string) {
	var random [idLength]byte
	_, _ = rand.Read(random[:]) // It ends the program rather than fail.
	id := alphabet.EncodeToString(random[:])[:idLength]
	var secret [secretBytes]byte
	_, _ = rand.Read(secret[:])
	text = keyPrefix + "_" + id + "_" + alphabet.EncodeToString(secret[:])
	key = Key{
		ID: id, Name: name, Role: role, Created: created.UTC().Truncate(time.Second),
		hash: sha256.Sum256([]byte(text)), verify: signer(text).Public().(ed25519.PublicKey),
	}
	if !expires.IsZero() {
		key.Expires = expires.UTC().Truncate(time.Second)
	}
	return key, text
}

// signer derives the key that signs the sessions of an API key. The hash of the key
// that the file holds is one of another text, so that it is no way to this one.
func signer(text string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("logsift session key\x00" + text))
	return ed25519.NewKeyFromSeed(seed[:])
}

func (k *Key) holder() Holder { return Holder{ID: k.ID, Name: k.Name, Role: k.Role} }

// usable tells what speaks against a key that is right.
func (k *Key) usable(now time.Time) error {
	switch {
	case !k.Revoked.IsZero():
		return ErrRevoked
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return ErrExpired
	}
	return nil
}

// Keys are keys by their id. They do not change and are safe for concurrent use.
type Keys struct{ byID map[string]*Key }

// Of returns the keys of a list, whose ids differ.
func Of(list ...Key) Keys {
	keys := Keys{byID: make(map[string]*Key, len(list))}
	for _, key := range list {
		keys.byID[key.ID] = &key
	}
	return keys
}

// Usable reports whether there is a key that may be used.
func (k Keys) Usable(now time.Time) bool {
	for _, key := range k.byID {
		if key.usable(now) == nil {
			return true
		}
	}
	return false
}

// Authenticate returns who the key was given to. It takes the same steps whether or
// not there is a key of that id.
func (k Keys) Authenticate(text string, now time.Time) (Holder, error) {
	key, err := k.find(text)
	if err != nil {
		return Holder{}, err
	}
	if err := key.usable(now); err != nil {
		return Holder{}, err
	}
	return key.holder(), nil
}

// find returns the key of that text.
func (k Keys) find(text string) (*Key, error) {
	if len(text) > maxLength {
		return nil, ErrUnknown
	}
	id := ""
	if parts := strings.Split(text, "_"); len(parts) == 3 && parts[0] == keyPrefix {
		id = parts[1]
	}
	key, known := k.byID[id]
	if !known {
		key = &Key{}
	}
	hash := sha256.Sum256([]byte(text))
	if subtle.ConstantTimeCompare(hash[:], key.hash[:]) != 1 || !known {
		return nil, ErrUnknown
	}
	return key, nil
}

// SignIn returns a session for the holder of the key, and when it ends: at the
// latest with the key.
func (k Keys) SignIn(text string, now time.Time) (holder Holder, session string, ends time.Time, err error) {
	holder, err = k.Authenticate(text, now)
	if err != nil {
		return Holder{}, "", time.Time{}, err
	}
	ends = now.Add(SessionLifetime)
	if expires := k.byID[holder.ID].Expires; !expires.IsZero() && expires.Before(ends) {
		ends = expires
	}
	var nonce [nonceLength]byte // It tells sessions of one second apart.
	_, _ = rand.Read(nonce[:])
	claim := strings.Join([]string{sessionPrefix, holder.ID, strconv.FormatInt(ends.Unix(), 10), alphabet.EncodeToString(nonce[:])[:nonceLength]}, "_")
	signature := ed25519.Sign(signer(text), []byte(claim))
	return holder, claim + "_" + base64.RawURLEncoding.EncodeToString(signature), ends, nil
}

// Session returns who signed in for the session.
func (k Keys) Session(session string, now time.Time) (Holder, error) {
	if len(session) > maxLength {
		return Holder{}, ErrUnknown
	}
	// The signature may hold the separator too.
	parts := strings.SplitN(session, "_", 5)
	if len(parts) != 5 || parts[0] != sessionPrefix {
		return Holder{}, ErrUnknown
	}
	key, known := k.byID[parts[1]]
	signature, err := base64.RawURLEncoding.DecodeString(parts[4])
	if err != nil || !known || !ed25519.Verify(key.verify, []byte(session[:len(session)-len(parts[4])-1]), signature) {
		return Holder{}, ErrUnknown
	}
	ends, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil {
		return Holder{}, ErrUnknown
	}
	if now.Unix() >= ends {
		return Holder{}, ErrExpired
	}
	if err := key.usable(now); err != nil {
		return Holder{}, err
	}
	return key.holder(), nil
}

// validate checks a key as it is stored.
func (k *Key) validate() error {
	switch {
	case len(k.ID) != idLength || strings.Trim(k.ID, "abcdefghijklmnopqrstuvwxyz234567") != "":
		return fmt.Errorf("id must be %d characters of a to z and 2 to 7", idLength)
	case ValidateName(k.Name) != nil:
		return ValidateName(k.Name)
	case k.Role == 0:
		return errors.New("role " + RoleRule)
	}
	return nil
}

// maxName bounds the name of a key.
const maxName = 64

// ValidateName checks the name of a key: 1 to 64 letters, digits, '.', '_', '-', '@'
// or spaces inside.
func ValidateName(name string) error {
	ok := name != "" && len(name) <= maxName && strings.TrimSpace(name) == name
	for _, c := range name {
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		ok = ok && (alnum || strings.ContainsRune("._-@ ", c))
	}
	if !ok {
		return fmt.Errorf("name must be 1 to %d letters, digits, '.', '_', '-', '@' or spaces between them", maxName)
	}
	return nil
}
