package openai

import (
	"math"
	"sync"
)

const (
	// bytesPerToken is what logs have at least, by OpenAI's o200k: 2.0 to 3.0 over
	// eight public log sets. It errs on the side of too many tokens.
	bytesPerToken = 2
	// maxBytesPerToken is more than any text of logs has.
	maxBytesPerToken = 6
	// ratioWeight is how much the newest answer counts in the running ratio.
	ratioWeight = 0.25
	// minPromptBytes is the least room; it holds the instructions and any one item.
	minPromptBytes = MinPromptTokens * bytesPerToken
)

// promptLimit is how much a prompt may hold, and what the answers of the model taught of
// that. It is of one model at one server.
type promptLimit struct {
	maxTokens int

	// mu guards all below.
	mu sync.Mutex
	// ratio is the running mean of bytes per token, 0 before the first answer.
	ratio float64
	// limit is the most bytes that the server was found to take, 0 if unknown.
	limit int
}

// bytes is how long a prompt may be.
func (r *promptLimit) bytes() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	most := int(float64(r.maxTokens) * r.perToken())
	if r.limit > 0 {
		most = min(most, r.limit)
	}
	return most
}

// tokens estimates how many tokens so many bytes are.
func (r *promptLimit) tokens(bytes int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return int(math.Ceil(float64(bytes) / r.perToken()))
}

// perToken is the ratio, with mu held.
func (r *promptLimit) perToken() float64 {
	if r.ratio == 0 {
		return bytesPerToken
	}
	return r.ratio
}

// learn takes the tokens that the server counted in a prompt that it read whole.
func (r *promptLimit) learn(bytes, tokens int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := min(max(float64(bytes)/float64(max(tokens, 1)), 1), maxBytesPerToken)
	if r.ratio == 0 {
		r.ratio = now
		return
	}
	r.ratio += ratioWeight * (now - r.ratio)
}

// refused records a prompt that was too long for the server.
func (r *promptLimit) refused(bytes int) { r.cap(bytes / 2) }

// fits records how many tokens of a longer prompt the server read.
func (r *promptLimit) fits(tokens int) { r.cap(tokens * bytesPerToken) }

func (r *promptLimit) cap(bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	bytes = max(bytes, minPromptBytes)
	if r.limit == 0 || bytes < r.limit {
		r.limit = bytes
	}
}
