package httpapi

import (
	"crypto/sha256"
	"encoding/binary"

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

// idVersion is a part of every id that is made of something else. It must change
// whenever such ids would come out otherwise: a repeat across the upgrade is then
// stored twice, rather than mistaken for another entry.
const idVersion = "logsift log id 1"

// derivedID returns the id that is made of these parts, a UUID of version 8.
func derivedID(kind string, parts ...string) uuid.UUID {
	h := sha256.New()
	for _, part := range append([]string{idVersion, kind}, parts...) {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write([]byte(part))
	}
	var id uuid.UUID
	copy(id[:], h.Sum(nil))
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// keyedID returns the id of the n-th entry of a request with a key. It begins with
// n, so that entries of one time keep their order where ids decide it.
func keyedID(key string, n int, text []byte) uuid.UUID {
	id := derivedID("key", key, string(binary.BigEndian.AppendUint32(nil, uint32(n))), string(text))
	binary.BigEndian.PutUint32(id[:4], uint32(n))
	return id
}

// contentID returns the id of an entry that is known by its contents, its time
// among them. Entries of one request that are alike are told apart by counting.
func (in *intake) contentID(kind string, parts ...string) uuid.UUID {
	if in.copies == nil {
		in.copies = map[uuid.UUID]uint32{}
	}
	first := derivedID(kind, parts...)
	n := in.copies[first]
	in.copies[first]++
	if n == 0 {
		return first
	}
	return derivedID("copy", string(first[:]), string(binary.BigEndian.AppendUint32(nil, n)))
}
