package ingest

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"go.uber.org/zap"

	"logsift/adapters/httpapi/problem"
	"logsift/adapters/httpapi/request"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// bulkTypes are the content types of a bulk request.
var bulkTypes = append([]string{
	"application/x-ndjson", wire.MediaJSON, "application/vnd.elasticsearch+x-ndjson", "application/vnd.elasticsearch+json",
}, request.NDJSONTypes...)

// ElasticBulk takes the documents of an Elasticsearch client: lines that tell an action,
// each with the document behind it. There is one answer for each. Documents are
// added only, so that an update or deletion is refused; one with an _id that was
// added before stays as it is.
func (e *Endpoints) ElasticBulk(w http.ResponseWriter, r *http.Request) error {
	begun := e.Now()
	if _, err := request.MediaType(r, bulkTypes...); err != nil {
		return err
	}
	in, err := e.receive(w, r)
	if err != nil {
		return err
	}
	defer in.Close()
	docs := &bulkReceiver{receiver: in, index: strings.Trim(strings.TrimSuffix(r.URL.Path, "_bulk"), "/")}
	if err := eachLine(withoutBOM(in), docs.line); err != nil {
		return err
	}
	if err := docs.end(); err != nil {
		return err
	}
	if receipt, err := e.store(r.Context(), "elasticsearch", in); err != nil {
		if len(receipt.LogIDs) == 0 {
			return err
		}
		e.Problems.Logger.Warn("request served in part", append(e.Problems.LogFields(r), zap.Error(err))...)
		docs.cut(len(receipt.LogIDs), problem.Of(err))
	}
	docs.answer(w, e.Now().Sub(begun))
	return nil
}

// bulkReceiver makes entries of the documents of a bulk request.
type bulkReceiver struct {
	*receiver

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

// bulkItem is what became of an action, of which the answer is made.
type bulkItem struct {
	bulkAction

	status int
	entry  uuid.UUID     // that was made
	cause  *elasticCause // why none was; nil if one was
}

// bulkItemBytes is what an item takes in memory, beside its texts.
const bulkItemBytes = 160

// bulkResult is an item of the answer.
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

func (item *bulkItem) result() bulkResult {
	if item.cause != nil {
		return bulkResult{Index: item.Index, ID: item.ID, Status: item.status, Error: item.cause}
	}
	return bulkResult{
		Index: item.Index, ID: cmp.Or(item.ID, item.entry.String()), Status: item.status,
		Version: 1, Result: "created", Shards: &bulkShards{Total: 1, Successful: 1},
	}
}

// answer writes the answer item by item: it is many times as large as the request.
func (b *bulkReceiver) answer(w http.ResponseWriter, took time.Duration) {
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	w.Header().Set("Content-Type", wire.MediaJSON)
	out := bufio.NewWriterSize(w, 32<<10)
	_, _ = fmt.Fprintf(out, `{"took":%d,"errors":%t,"items":[`, took.Milliseconds(), b.failed)
	for i := range b.items {
		if i > 0 {
			_ = out.WriteByte(',')
		}
		result, err := wire.Encode(b.items[i].result())
		if err != nil {
			panic(err) // strings and numbers always marshal
		}
		if _, err := fmt.Fprintf(out, "{%q:%s}", b.items[i].name, bytes.TrimSuffix(result, []byte("\n"))); err != nil {
			return // the client is gone
		}
	}
	_, _ = out.WriteString("]}\n")
	_ = out.Flush() // if the client is gone, there is nobody to tell
}

// line takes an action, or the document of the one before.
func (b *bulkReceiver) line(n int, line []byte) error {
	action := b.action
	if action == nil {
		if request.FirstByte(line) == 0 {
			return nil
		}
		return b.begin(n, line)
	}
	b.action = nil
	if action.name == "update" {
		return b.refuse(action, "logs are only added: update is not supported")
	}
	if len(action.Index) > maxBulkName || len(action.ID) > maxBulkName {
		return b.refuse(action, "_index and _id must be at most "+strconv.Itoa(maxBulkName)+" bytes")
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
	if err := b.item(bulkItem{bulkAction: *action, status: http.StatusCreated, entry: entry.ID}); err != nil {
		return err
	}
	return b.keep(entry)
}

// item adds an item to the answer.
func (b *bulkReceiver) item(item bulkItem) error {
	b.items = append(b.items, item)
	size := bulkItemBytes + len(item.Index) + len(item.ID)
	if item.cause != nil {
		size += len(item.cause.Reason)
	}
	return b.Build(int64(size))
}

// maxBulkName is how long an _index or _id may be, in bytes, as in Elasticsearch.
const maxBulkName = 512

// begin reads an action. After one that cannot be read, nobody knows what the lines
// behind it are, so nothing of the request is stored.
func (b *bulkReceiver) begin(n int, line []byte) error {
	var given map[string]bulkAction
	wrong := &domain.ValidationError{Field: "line " + strconv.Itoa(n), Rule: `must be an action such as {"index":{"_index":"logs"}}`}
	if len(line) > domain.MaxLogMessage || request.Deeper(line, request.MaxDepth) || jsonv2.Unmarshal(line, &given, request.Lenient) != nil || len(given) != 1 {
		return wrong
	}
	if err := b.Record(); err != nil {
		return err
	}
	for name, action := range given {
		if !slices.Contains([]string{"index", "create", "update", "delete"}, name) {
			return wrong
		}
		action.name, action.Index = name, cmp.Or(action.Index, b.index)
		if name == "delete" {
			return b.refuse(&action, "logs are only added: delete is not supported")
		}
		b.action = &action
	}
	return nil
}

// end refuses a request that ends between an action and its document.
func (b *bulkReceiver) end() error {
	if b.action != nil {
		return &domain.ValidationError{Field: "body", Rule: "must not end between an action and its document"}
	}
	if b.items == nil {
		return &domain.ValidationError{Field: "body", Rule: "must have at least one action"}
	}
	return nil
}

// refuse answers for an action that is not carried out.
func (b *bulkReceiver) refuse(action *bulkAction, reason string) error {
	b.failed = true
	b.rejectedCount++
	action.Index, action.ID = request.CutText(action.Index, maxBulkName), request.CutText(action.ID, maxBulkName)
	return b.item(bulkItem{bulkAction: *action, status: http.StatusBadRequest, cause: &elasticCause{Type: "document_parsing_exception", Reason: reason}})
}

// cut tells of the documents behind the first that the store did not take them, for
// the reason of the problem.
func (b *bulkReceiver) cut(first int, p wire.Problem) {
	b.failed = true
	status := retryable(p.Status)
	cause := &elasticCause{Type: elasticType(status), Reason: p.Title}
	for i := range b.items {
		item := &b.items[i]
		if item.cause != nil {
			continue
		}
		if first--; first < 0 {
			item.status, item.cause = status, cause
		}
	}
}

// document makes an entry of a document. Its index is its source if it names none.
func (b *bulkReceiver) document(action *bulkAction, line []byte) (domain.LogEntry, error) {
	fields, err := b.readFields(line)
	if err != nil {
		return domain.LogEntry{}, err
	}
	entry, err := b.entryOf(fields, line)
	if err != nil {
		return entry, err
	}
	if entry.Source == "" {
		entry.Source = request.CutText(action.Index, domain.MaxLogSource)
	} else if action.Index != "" {
		entry.Attributes = addAttribute(entry.Attributes, "_index", action.Index)
	}
	if action.ID != "" {
		entry.Attributes = addAttribute(entry.Attributes, "_id", action.ID)
		entry.ID = b.ownID("elasticsearch", action.Index, action.ID)
	}
	return entry, nil
}
