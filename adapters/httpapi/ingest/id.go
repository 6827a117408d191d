package ingest

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"io"

	"github.com/google/uuid"
)

// A log entry that is sent again is known by its id, which the store compares. An
// id is made of what stays the same when a client sends again what it has sent:
//
//   - an Idempotency-Key, with the entry's number in the request and its text;
//   - the _id that an Elasticsearch client gives a document, with the index;
//   - the log.record.uid of an OTLP record;
//   - the contents of an entry of Loki or OTLP with its time, which Loki itself
//     takes for the entry's identity.
//
// Other entries get a new id each time.
//
// Each caller has ids of its own, so that nobody takes the id of an entry that another
// is about to send, and so has it passed over.

// idVersion is a part of every id that is made of something else. It must change
// whenever such ids would come out otherwise: a repeat across the upgrade is then
// stored twice, rather than mistaken for another entry.
const idVersion = "logsift log id 2"

// derivedID returns the id that is made of these parts, a UUID of version 8.
func derivedID(kind string, parts ...string) uuid.UUID { return idBeginning(kind).id(parts...) }

// idPrefix is the beginning of the parts that many ids are made of. It is read once,
// however long it is.
type idPrefix struct{ hash hash.Cloner }

// idBeginning returns the beginning of the ids of a kind.
func idBeginning(kind string, parts ...string) idPrefix {
	h := sha256.New().(hash.Cloner)
	hashParts(h, idVersion, kind)
	hashParts(h, parts...)
	return idPrefix{h}
}

// id returns the id that is made of the beginning and these parts.
func (p idPrefix) id(parts ...string) uuid.UUID {
	h, err := p.hash.Clone()
	if err != nil {
		panic(err) // SHA-256 can be cloned
	}
	hashParts(h, parts...)
	var id uuid.UUID
	copy(id[:], h.Sum(nil))
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

func hashParts(h hash.Hash, parts ...string) {
	for _, part := range parts {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		_, _ = io.WriteString(h, part) // a hash takes whatever is written
	}
}

// keyID returns the id of the n-th entry of a request with a key. It begins with
// n, so that entries of one time keep their order where ids decide it.
func keyID(key string, n int, text []byte) uuid.UUID {
	id := derivedID("key", key, string(binary.BigEndian.AppendUint32(nil, uint32(n))), string(text))
	binary.BigEndian.PutUint32(id[:4], uint32(n))
	return id
}

// ownIDs is the beginning of ids that are made of these parts for the caller of the
// request.
func (in *receiver) ownIDs(kind string, parts ...string) idPrefix {
	return idBeginning(kind, append([]string{in.caller}, parts...)...)
}

// ownID returns the id that is made of these parts for the caller of the request.
func (in *receiver) ownID(kind string, parts ...string) uuid.UUID {
	return in.ownIDs(kind, parts...).id()
}

// contentID returns the id of an entry that is known by its contents, its time among
// them, of which first is made. Entries of one request that are alike are told apart by
// counting.
func (in *receiver) contentID(first uuid.UUID) uuid.UUID {
	if in.copies == nil {
		in.copies = map[uuid.UUID]uint32{}
	}
	n := in.copies[first]
	in.copies[first]++
	if n == 0 {
		return first
	}
	return derivedID("copy", string(first[:]), string(binary.BigEndian.AppendUint32(nil, n)))
}
