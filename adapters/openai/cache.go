package openai

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strconv"
	"time"

	"logsift/domain"
	"logsift/ports"
)

const (
	// notePrefix and summaryPrefix begin the keys of what is kept.
	notePrefix    = "openai/note/"
	summaryPrefix = "openai/summary/"
	// loadAtOnce bounds the keys of one call to the store.
	loadAtOnce = 200
	// silenceTTL is for how long the service is not asked again about a template
	// on which it had nothing to say.
	silenceTTL = time.Hour
)

// note is what the service said about one anomaly, checked.
type note struct {
	Cause           string                 `json:"cause,omitempty"`
	Explanation     string                 `json:"explanation"`
	SuggestedAction string                 `json:"suggested_action,omitempty"`
	Category        domain.AnomalyCategory `json:"category"`
	Severity        domain.Severity        `json:"severity"`
	Relevance       float64                `json:"relevance"`
	Model           string                 `json:"model"`
	// Silent is whether it said nothing; the rest is empty then.
	Silent bool `json:"silent,omitempty"`
}

// cache keeps notes and summaries in the store. What it cannot read or write it
// passes over: that costs a request, never an analysis.
type cache struct {
	states ports.DocumentStore
	ttl    time.Duration
	// scope is a part of each key: whatever changes what the service would say.
	scope string
}

// newCache returns the cache for one way of asking. The model's server and
// temperature are part of the scope as well as its name.
func newCache(states ports.DocumentStore, cfg *Config) *cache {
	temperature := "default"
	if cfg.Temperature != nil {
		temperature = strconv.FormatFloat(*cfg.Temperature, 'g', -1, 64)
	}
	return &cache{
		states: states, ttl: cfg.CacheTTL,
		scope: hash(strconv.Itoa(domain.AnalysisSchemaVersion), PromptVersion, cfg.BaseURL, cfg.Model, temperature),
	}
}

// noteKey is the key of what is said about an anomaly: that of its kind, template
// and severity, whatever lines and counts it has this time. The template of
// sessions holds an id, so their anomaly's own stands for it.
func (c *cache) noteKey(a *domain.Anomaly) string {
	subject := a.Template
	if subject == "" || a.Kind == domain.AnomalyCountVector {
		subject = a.ID
	}
	return notePrefix + hash(c.scope, string(a.Kind), subject, a.Severity.String())
}

// summaryKey is the key of the summary of a set of anomalies, given in one order.
func (c *cache) summaryKey(noteKeys []string) string {
	return summaryPrefix + hash(append([]string{c.scope}, noteKeys...)...)
}

// notes returns the notes of the keys that have one. The error is only that of a
// context that ended.
func (c *cache) notes(ctx context.Context, keys []string) (map[string]*note, error) {
	out := map[string]*note{}
	for first := 0; first < len(keys); first += loadAtOnce {
		some := keys[first:min(first+loadAtOnce, len(keys))]
		states, err := c.states.LoadDocuments(ctx, some...)
		switch {
		case err == nil && len(states) == len(some):
			for i := range states {
				out[some[i]] = readNote(states[i].Data)
			}
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, domain.ErrCorruptRecord) && len(some) > 1:
			// One of them is; the others are not to be paid for again.
			for _, key := range some {
				if states, err := c.states.LoadDocuments(ctx, key); err == nil && len(states) == 1 {
					out[key] = readNote(states[0].Data)
				}
			}
		}
	}
	maps.DeleteFunc(out, func(_ string, n *note) bool { return n == nil })
	return out, nil
}

// readNote returns the note that data holds, or nil.
func readNote(data []byte) *note {
	var n note
	if json.Unmarshal(data, &n) != nil || !n.sound() {
		return nil
	}
	return &n
}

// sound reports whether a note is one that check could have made: another program
// may have written to the store.
func (n *note) sound() bool {
	if n.Silent {
		return true
	}
	clean := said(n.Explanation, maxExplanation) == n.Explanation && said(n.SuggestedAction, maxAction) == n.SuggestedAction &&
		said(n.Cause, maxCause) == n.Cause && clean(n.Model, maxModel) == n.Model
	return clean && n.Explanation != "" && n.Severity.Valid() && knownCategory(n.Category) && n.Relevance >= 0 && n.Relevance <= 1
}

// save keeps a note.
func (c *cache) save(ctx context.Context, key string, n *note) {
	ttl := c.ttl
	if n.Silent {
		ttl = min(ttl, silenceTTL)
	}
	c.put(ctx, key, []byte(encode(n)), ttl)
}

// summary returns the summary of the key, "" if there is none.
func (c *cache) summary(ctx context.Context, key string) string {
	states, err := c.states.LoadDocuments(ctx, key)
	if err != nil || len(states) != 1 {
		return ""
	}
	return said(string(states[0].Data), maxSummary)
}

// put stores data, whatever is there.
func (c *cache) put(ctx context.Context, key string, data []byte, ttl time.Duration) {
	_, err := c.states.SaveDocument(ctx, domain.Document{Key: key, Data: data}, ttl)
	if !errors.Is(err, domain.ErrDocumentConflict) {
		return
	}
	// Another was faster, or what is there could not be read: it is replaced once.
	states, err := c.states.LoadDocuments(ctx, key)
	if err != nil || len(states) != 1 {
		return
	}
	_, _ = c.states.SaveDocument(ctx, domain.Document{Key: key, Revision: states[0].Revision, Data: data}, ttl)
}
