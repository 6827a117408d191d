package openapitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// exchange is a request with its answer.
type exchange struct {
	request *http.Request // its body is in sent
	sent    []byte

	status int
	header http.Header
	body   []byte
}

// stateful are the types of problems of requests that keep to the document.
var stateful = []string{"urn:logsift:problem:invalid-cursor", "urn:logsift:problem:unknown-task-type"}

const noSuchPath = "urn:logsift:problem:no-such-path"

// elsewhere is where the document has the answers for what is no operation.
const elsewhere = "/x-elsewhere"

// check returns how an exchange breaks the contract.
func (c *Contract) check(x *exchange) []string {
	r := c.find(x.request.URL)
	op, at := c.operation(r, x.request.Method)
	if op == nil {
		return c.checkAnswer(x, elsewhere)
	}
	wrong, wrongBody := c.checkRequest(x, r, op, at)
	responses := at + "/responses"
	if x.problem() == noSuchPath && len(wrong) > 0 {
		responses = elsewhere // an id that cannot be one
	}
	out := c.checkAnswer(x, responses)
	if events := object(op["x-sse-events"]); events != nil && x.status == http.StatusOK {
		out = append(out, c.checkEvents(x.body, events)...)
	}
	if x.status < http.StatusBadRequest {
		c.mu.Lock()
		c.succeeded[fmt.Sprint(op["operationId"])] = true
		c.mu.Unlock()
		for _, reason := range wrong {
			out = append(out, "a request that breaks the document succeeded: "+reason)
		}
		if _, loose := op["x-loose-body"]; !loose {
			for _, reason := range wrongBody {
				out = append(out, "a body that breaks the document succeeded: "+reason)
			}
		}
	}
	_, more := op["x-more-rules"]
	if x.status == http.StatusBadRequest && len(wrong)+len(wrongBody) == 0 && !more && !slices.Contains(stateful, x.problem()) {
		out = append(out, "a request that keeps to the document was answered 400")
	}
	return out
}

// problem returns the type of the problem that was answered, "" if it was none.
func (x *exchange) problem() string {
	var p struct{ Type string }
	if json.Unmarshal(x.body, &p) != nil {
		return ""
	}
	return p.Type
}

// parameter is a parameter of an operation.
type parameter struct {
	name, in string
	required bool
	schema   string // its pointer
	integer  bool
	// any is whether it stands for all parameters that are not named.
	any bool
}

func (c *Contract) parameters(r *route, at string) []parameter {
	var out []parameter
	for _, list := range []string{r.item + "/parameters", at + "/parameters"} {
		for i := 0; ; i++ {
			p, ptr := c.at(list + pointer(strconv.Itoa(i)))
			if p == nil {
				break
			}
			schema, _ := c.at(ptr + "/schema")
			required, _ := p["required"].(bool)
			out = append(out, parameter{
				name: fmt.Sprint(p["name"]), in: fmt.Sprint(p["in"]), required: required, schema: ptr + "/schema",
				integer: schema["type"] == "integer", any: schema["additionalProperties"] != nil,
			})
		}
	}
	return out
}

// checkRequest returns what of a request breaks the document, apart what of its body
// does.
func (c *Contract) checkRequest(x *exchange, r *route, op map[string]any, at string) (wrong, wrongBody []string) {
	query, err := url.ParseQuery(x.request.URL.RawQuery)
	if err != nil {
		wrong = append(wrong, "the query is malformed: "+err.Error())
	}
	params, open := c.parameters(r, at), false
	for _, p := range params {
		var values []string
		switch p.in {
		case "query":
			values = query[p.name]
			delete(query, p.name)
		case "header":
			values = x.request.Header.Values(p.name)
		case "path":
			if i := r.pattern.SubexpIndex(p.name); i > 0 {
				values = r.pattern.FindStringSubmatch(x.request.URL.Path)[i : i+1]
			}
		}
		if p.any {
			open = true
			continue
		}
		switch {
		case len(values) > 1:
			wrong = append(wrong, p.name+" is given twice")
		case len(values) == 0 && p.required && !r.prefix:
			wrong = append(wrong, p.name+" is missing")
		case len(values) == 1:
			wrong = append(wrong, prefixed(p.name, c.judge(p.schema, scalar(values[0], p.integer)))...)
		}
	}
	if !open {
		for name := range query {
			wrong = append(wrong, fmt.Sprintf("there is no query parameter %q", name))
		}
	}
	if op["requestBody"] == nil || x.request.Header.Get("Content-Encoding") != "" {
		return wrong, nil
	}
	body, ptr := c.at(at + "/requestBody")
	media := x.request.Header.Get("Content-Type")
	if media == "" {
		media = mediaOf(body)
	}
	return wrong, c.checkBody(ptr, media, x.sent, jsontext.AllowDuplicateNames(false))
}

// mediaOf returns what a body without a content type is taken for.
func mediaOf(body map[string]any) string {
	if media, ok := body["x-default-type"].(string); ok {
		return media
	}
	return "application/json"
}

func prefixed(name string, reasons []string) []string {
	for i := range reasons {
		reasons[i] = name + ": " + reasons[i]
	}
	return reasons
}

// scalar returns the value of a parameter or header.
func scalar(text string, integer bool) any {
	if n, err := strconv.ParseInt(text, 10, 64); integer && err == nil {
		return json.Number(strconv.FormatInt(n, 10))
	}
	return text
}

// checkBody returns what of a body breaks the content at a pointer. strict is whether
// a name may stand in an object twice.
func (c *Contract) checkBody(at, contentType string, data []byte, strict jsontext.Options) []string {
	media, _, err := mime.ParseMediaType(contentType)
	content, ptr := c.at(at + "/content" + pointer(media))
	if err != nil || content == nil {
		return []string{fmt.Sprintf("the content type %q is not documented", contentType)}
	}
	if content["schema"] == nil {
		return nil
	}
	if media != "application/json" && !strings.HasSuffix(media, "+json") {
		if strings.HasPrefix(media, "text/") {
			return c.judge(ptr+"/schema", string(data))
		}
		return nil
	}
	if !jsontext.Value(data).IsValid(strict) {
		return []string{"the body is no JSON, or has a name twice"}
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return []string{err.Error()}
	}
	return c.judge(ptr+"/schema", value)
}

// checkAnswer returns what of an answer breaks the responses at a pointer.
func (c *Contract) checkAnswer(x *exchange, responses string) []string {
	doc, ptr := c.at(responses + pointer(strconv.Itoa(x.status)))
	if doc == nil {
		return []string{"the status is not documented"}
	}
	var out []string
	for name := range object(doc["headers"]) {
		header, at := c.at(ptr + pointer("headers", name))
		value := x.header.Get(name)
		if value == "" {
			if header["required"] == true {
				out = append(out, "the header "+name+" is missing")
			}
			continue
		}
		schema, _ := c.at(at + "/schema")
		out = append(out, prefixed(name, c.judge(at+"/schema", scalar(value, schema["type"] == "integer")))...)
	}
	switch {
	case doc["content"] == nil:
		if len(x.body) > 0 {
			out = append(out, "the answer has a body that is not documented")
		}
	case x.request.Method == http.MethodHead && len(x.body) == 0:
	case x.header.Get("Content-Encoding") != "": // what it holds is known without it
	default:
		// A payload is shown as it is stored, perhaps with a name twice.
		out = append(out, c.checkBody(ptr, x.header.Get("Content-Type"), x.body, jsontext.AllowDuplicateNames(true))...)
	}
	return out
}

// checkEvents returns what of a stream of server-sent events breaks the schemas of
// its events. The last one may be cut off.
func (c *Contract) checkEvents(body []byte, events map[string]any) []string {
	var out []string
	blocks := strings.Split(string(body), "\n\n")
	for _, block := range blocks[:len(blocks)-1] {
		var name, data string
		for line := range strings.Lines(block) {
			field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			switch field {
			case "event":
				name = value
			case "data":
				data += value
			}
		}
		if name == "" && data == "" {
			continue // it tells the place, or how long to wait
		}
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(data))
		switch schema, ok := events[name].(string); {
		case !ok:
			out = append(out, fmt.Sprintf("there is no event %q", name))
		case err != nil:
			out = append(out, fmt.Sprintf("the data of the event %q is no JSON", name))
		default:
			out = append(out, prefixed("the event "+name, c.judge(pointer("components", "schemas", schema), value))...)
		}
	}
	return out
}
