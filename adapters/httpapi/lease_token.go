package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
	"logsift/ports"
)

// claimSpace is the namespace of the ids of claims. It must not change while leases are
// held.
var claimSpace = uuid.MustParse("c1a3f0d2-7b64-4e0e-8f3b-52a7d1f9e4b6")

// claimNonce is what a worker's claim has that no other claim of its caller has.
type claimNonce [16]byte

// claimID is the id of a claim of a caller. Another caller cannot have it, whatever nonce it
// has seen or guessed: so a lease is of use to the caller alone to whom it was granted, and
// no secret has to be shared by the processes of a store.
func claimID(caller string, nonce claimNonce) domain.ClaimID {
	return uuid.NewHash(sha256.New(), claimSpace, append(nonce[:], caller...), 8)
}

const (
	// leaseTokenVersion is the first byte of the tokens of leases.
	leaseTokenVersion = 2
	// checkSize is how many bytes of a hash a token ends with. They tell a token that was
	// damaged, or is another caller's; what keeps others out is the claim's id.
	checkSize = 8
	// maxLeaseToken bounds the text of a token.
	maxLeaseToken = 512
)

var errLeaseToken = errors.New("must be the lease of a task that tasks:claim gave to this caller")

// leaseToken spells the lease of a claimed task for its worker, with what a report has to
// know of the task. What else it says than the fence a worker may well forge: it gets no
// more by it than by reporting what it likes.
func leaseToken(caller string, nonce claimNonce, t *domain.Task) string {
	waited, known := t.QueueWait()
	if !known {
		waited = -time.Microsecond
	}
	b := make([]byte, 0, 192)
	b = append(b, leaseTokenVersion)
	b = append(b, t.ID[:]...)
	b = append(b, nonce[:]...)
	for _, n := range []int64{int64(t.Lease.Delivery), int64(t.Attempt), int64(t.MaxRetries), t.StartedAt.UnixMicro(), waited.Microseconds(), t.Timeout.Microseconds()} {
		b = binary.AppendVarint(b, n)
	}
	var backoff []byte
	if t.Backoff != (domain.RetryPolicy{}) {
		backoff, _ = json.Marshal(t.Backoff) // Numbers and names always marshal.
	}
	for _, part := range [][]byte{[]byte(t.Type), []byte(t.Queue), backoff} {
		b = append(append(b, byte(len(part))), part...)
	}
	return base64.RawURLEncoding.EncodeToString(append(b, leaseCheck(caller, b)...))
}

func leaseCheck(caller string, token []byte) []byte {
	h := sha256.New()
	for _, part := range [][]byte{claimSpace[:], []byte(caller), {0}, token} {
		h.Write(part)
	}
	return h.Sum(nil)[:checkSize]
}

// parseLeaseToken reads what leaseToken spelled for the same caller: the claimed task, as
// far as a report needs it, and how long it had been ready.
func parseLeaseToken(caller, text string) (run ports.RunReport, err error) {
	if len(text) > maxLeaseToken {
		return run, errLeaseToken
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 1+16+16+checkSize || b[0] != leaseTokenVersion {
		return run, errLeaseToken
	}
	b, check := b[:len(b)-checkSize], b[len(b)-checkSize:]
	if !bytes.Equal(check, leaseCheck(caller, b)) {
		return run, errLeaseToken
	}
	t := &domain.Task{ID: domain.TaskID(b[1:17]), Lease: &domain.Lease{TaskID: domain.TaskID(b[1:17]), ClaimID: claimID(caller, claimNonce(b[17:33]))}}
	r := bytes.NewReader(b[33:])
	var numbers [6]int64
	for i := range numbers {
		if numbers[i], err = binary.ReadVarint(r); err != nil {
			return run, errLeaseToken
		}
	}
	var parts [3][]byte
	for i := range parts {
		n, err := r.ReadByte()
		parts[i] = make([]byte, n)
		if m, _ := r.Read(parts[i]); err != nil || m < int(n) {
			return run, errLeaseToken
		}
	}
	if len(parts[2]) > 0 && json.Unmarshal(parts[2], &t.Backoff) != nil {
		return run, errLeaseToken
	}
	t.Lease.Delivery, t.Attempt, t.MaxRetries = int(numbers[0]), int(numbers[1]), int(numbers[2])
	t.StartedAt, t.Timeout = time.UnixMicro(numbers[3]).UTC(), time.Duration(numbers[5])*time.Microsecond
	t.Type, t.Queue = domain.TaskType(parts[0]), string(parts[1])
	if t.Lease.Delivery < 1 || r.Len() > 0 {
		return run, errLeaseToken
	}
	return ports.RunReport{Task: t, Waited: time.Duration(numbers[4]) * time.Microsecond}, nil
}
