package httpapi

import (
	"net/http"
	"slices"
	"strconv"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/gorilla/mux"

	"logsift/domain"
)

// bulkTypes are the content types of a bulk request.
var bulkTypes = append([]string{
	"application/x-ndjson", mediaJSON, "application/vnd.elasticsearch+x-ndjson", "application/vnd.elasticsearch+json",
}, ndjsonTypes...)

// bulk takes the documents of an Elasticsearch client: lines that tell an action,
// each with the document behind it. There is one answer for each. Documents are
// added only, so that an update or deletion is refused; one with an _id that was
// added before stays as it is.
func (a *API) bulk(w http.ResponseWriter, r *http.Request) error {
	begun := a.now()
	if _, err := mediaType(r, bulkTypes...); err != nil {
		return err
	}
	in, err := a.newIntake(r)
	if err != nil {
		return err
	}
	b, err := a.openBody(w, r, a.cfg.MaxBodyBytes)
	if err != nil {
		return err
	}
	defer b.close()
	docs := &bulkIntake{intake: in, index: mux.Vars(r)["index"]}
	if err := eachLine(withoutBOM(b), docs.line); err != nil {
		return err
	}
	if err := docs.end(); err != nil {
		return err
	}
	if _, err := a.store(r.Context(), "elasticsearch", in); err != nil {
		return err
	}
	return writeElastic(w, http.StatusOK, bulkAnswer{
		Took: a.now().Sub(begun).Milliseconds(), Errors: docs.failed, Items: docs.items,
	})
}

// bulkIntake makes entries of the documents of a bulk request.
type bulkIntake struct {
	*intake

	index  string      // of the path, for actions that name none
	action *bulkAction // that waits for its document, nil if none does
	items  []bulkItem
	failed bool // whether an item is
}

// bulkAction is the line before a document.
type bulkAction struct {
	name  string
	Index string `json:"_index"`
	ID    string `json:"_id"`
}

// bulkItem is the answer for an action, under its name.
type bulkItem map[string]bulkResult

type bulkResult struct {
	Index  string `json:"_index"`
	ID     string `json:"_id,omitempty"`
	Status int    `json:"status"`
	// These are of a document that was taken.
	Version int         `json:"_version,omitempty"`
	Result  string      `json:"result,omitempty"`
	Shards  *bulkShards `json:"_shards,omitempty"`
	// This is of one that was not.
	Error *elasticCause `json:"error,omitempty"`
}

type bulkShards struct {
	Total      int `json:"total"`
	Successful int `json:"successful"`
	Failed     int `json:"failed"`
}

type bulkAnswer struct {
	Took   int64      `json:"took"`
	Errors bool       `json:"errors"`
	Items  []bulkItem `json:"items"`
}

// line takes an action, or the document of the one before.
func (b *bulkIntake) line(n int, line []byte) error {
	action := b.action
	if action == nil {
		if firstByte(line) == 0 {
			return nil
		}
		return b.begin(n, line)
	}
	b.action = nil
	if action.name == "update" {
		return b.refuse(action, "logs are only added: update is not supported")
	}
	if len(line) > domain.MaxLogMessage {
		return b.refuse(action, "document must be at most "+strconv.Itoa(domain.MaxLogMessage)+" bytes")
	}
	entry, err := b.document(action, line)
	if err == nil {
		err = b.check(n, line, &entry)
	}
	if err != nil {
		return b.refuse(action, err.Error())
	}
	id := orDefault(action.ID, entry.ID.String())
	b.items = append(b.items, bulkItem{action.name: {
		Index: action.Index, ID: id, Status: http.StatusCreated, Version: 1, Result: "created", Shards: &bulkShards{Total: 1, Successful: 1},
	}})
	return b.keep(entry)
}

// begin reads an action. After one that cannot be read, nobody knows what the lines
// behind it are, so nothing of the request is stored.
func (b *bulkIntake) begin(n int, line []byte) error {
	var given map[string]bulkAction
	wrong := &domain.ValidationError{Field: "line " + strconv.Itoa(n), Rule: `must be an action such as {"index":{"_index":"logs"}}`}
	if len(line) > domain.MaxLogMessage || deeper(line, maxDepth) || jsonv2.Unmarshal(line, &given, lenient) != nil || len(given) != 1 {
		return wrong
	}
	if len(b.items) == b.limit {
		return refuse(errTooLarge, "a request must have at most %d actions", b.limit)
	}
	for name, action := range given {
		if !slices.Contains([]string{"index", "create", "update", "delete"}, name) {
			return wrong
		}
		action.name, action.Index = name, orDefault(action.Index, b.index)
		if name == "delete" {
			return b.refuse(&action, "logs are only added: delete is not supported")
		}
		b.action = &action
	}
	return nil
}

// end refuses a request that ends between an action and its document.
func (b *bulkIntake) end() error {
	if b.action != nil {
		return &domain.ValidationError{Field: "body", Rule: "must not end between an action and its document"}
	}
	if b.items == nil {
		return &domain.ValidationError{Field: "body", Rule: "must have at least one action"}
	}
	return nil
}

// refuse answers for an action that is not carried out.
func (b *bulkIntake) refuse(action *bulkAction, reason string) error {
	b.failed = true
	b.rejectedCount++
	b.items = append(b.items, bulkItem{action.name: {
		Index: action.Index, ID: action.ID, Status: http.StatusBadRequest, Error: &elasticCause{Type: "document_parsing_exception", Reason: reason},
	}})
	return nil
}

// document makes an entry of a document. Its index is its source if it names none.
func (b *bulkIntake) document(action *bulkAction, line []byte) (domain.LogEntry, error) {
	fields, err := readFields(line)
	if err != nil {
		return domain.LogEntry{}, err
	}
	entry, err := b.entryOf(fields, cutText(string(line), domain.MaxLogMessage))
	if err != nil {
		return entry, err
	}
	if entry.Source == "" {
		entry.Source = cutText(action.Index, domain.MaxLogSource)
	} else if action.Index != "" {
		entry.Attributes = addAttribute(entry.Attributes, "_index", action.Index)
	}
	if action.ID != "" {
		entry.Attributes = addAttribute(entry.Attributes, "_id", action.ID)
		entry.ID = derivedID("elasticsearch", action.Index, action.ID)
	}
	return entry, nil
}
