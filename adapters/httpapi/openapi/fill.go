package openapi

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"logsift/adapters/httpapi/apikey"
	"logsift/adapters/httpapi/problem"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// names are the lists of names that the document refers to as !names LIST, or as
// !anyCase LIST for a pattern that takes them in either case.
func names() map[string][]string {
	return map[string][]string{
		"TaskStatus":      texts(domain.TaskStatuses()),
		"FailureReason":   texts(domain.FailureReasons()),
		"LogLevel":        texts(domain.LogLevels()),
		"Severity":        texts(domain.Severities()),
		"AnomalyKind":     texts(domain.AnomalyKinds()),
		"AnomalyCategory": texts(domain.AnomalyCategories()),
		"Role":            texts([]apikey.Role{apikey.Ingest, apikey.Worker, apikey.Read, apikey.Write, apikey.Admin, 0}),
		"Problem":         problemTypes(),
	}
}

func texts[T any](values []T) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = fmt.Sprint(v)
	}
	return out
}

// anyCase returns the pattern of texts that are one of the names in upper or lower case.
func anyCase(names []string) string {
	var out strings.Builder
	for i, name := range names {
		if i > 0 {
			out.WriteByte('|')
		}
		for _, c := range name {
			out.WriteString("[" + strings.ToUpper(string(c)) + strings.ToLower(string(c)) + "]")
		}
	}
	return "^(" + out.String() + ")$"
}

// problemTypes returns the types of all problems that clients see.
func problemTypes() []string {
	var out []string
	for _, k := range problem.Kinds() {
		if k.Status != problem.StatusClientClosed {
			out = append(out, k.Type())
		}
	}
	return out
}

// filled returns the document with what it leaves out.
func filled(document *yaml.Node, routes []Route) *yaml.Node {
	root := expanded(document, names())
	done := map[*yaml.Node]bool{}
	for _, r := range routes {
		path := r.Path
		if r.Prefix {
			path = strings.TrimSuffix(r.Path, "/") + "/{path}"
		}
		item := member(root, "paths", path)
		for _, method := range r.Methods {
			// Two routes may share an operation, told apart by a header.
			if op := member(item, strings.ToLower(method)); op != nil && !done[op] {
				fillOperation(op, r)
				done[op] = true
			}
		}
		if r.Prefix && item != nil {
			put(item, "x-path-prefix", nodeOf(r.Path))
		}
	}
	fillAnswers(member(root, "x-elsewhere"))
	fillAnswers(member(root, "components", "responses"))
	return root
}

// fillOperation adds what an operation has because of its route.
func fillOperation(op *yaml.Node, r Route) {
	if r.Public {
		put(op, "security", nodeOf([]any{}))
	}
	if r.AnyQuery {
		params := memberOr(op, "parameters", []any{})
		params.Content = append(params.Content, nodeOf(ref("parameters", "AnyQuery")))
	}
	answers := member(op, "responses")
	for status, name := range r.sharedAnswers(member(op, "requestBody") != nil) {
		if status := strconv.Itoa(status); member(answers, status) == nil {
			put(answers, status, nodeOf(ref("responses", name)))
		}
	}
	fillAnswers(answers)
}

// sharedAnswers returns the names of the answers that the route shares with others, by
// status. An operation that has one of its own, or null for none, keeps that.
func (r Route) sharedAnswers(body bool) map[int]string {
	out := map[int]string{
		http.StatusMisdirectedRequest: "HostNotAllowed", http.StatusTooManyRequests: "RateLimited",
		http.StatusRequestHeaderFieldsTooLarge: "HeadTooLarge", http.StatusInternalServerError: "Internal",
	}
	switch {
	case !r.Public:
		out[http.StatusUnauthorized], out[http.StatusForbidden] = r.Protocol.name+"Unauthorized", r.Protocol.name+"Forbidden"
	case r.Changes:
		out[http.StatusForbidden] = "CrossOrigin"
	}
	if failure := r.Protocol.failure; failure != "" {
		if !r.Public {
			out[http.StatusTooManyRequests] = failure + "Retry"
		}
		if body {
			out[http.StatusBadRequest], out[http.StatusRequestEntityTooLarge], out[http.StatusUnsupportedMediaType] = failure, failure, failure
			out[http.StatusInternalServerError], out[http.StatusServiceUnavailable] = failure+"OrProblem", failure+"Retry"
		}
		return out
	}
	if body {
		out[http.StatusRequestTimeout], out[http.StatusRequestEntityTooLarge], out[http.StatusUnsupportedMediaType] = "BodyTimeout", "TooLarge", "UnsupportedMediaType"
	}
	if !r.AnyQuery {
		out[http.StatusBadRequest] = "BadRequest"
		if !r.Public {
			out[http.StatusServiceUnavailable], out[http.StatusInsufficientStorage] = "Unavailable", "StoreFull"
		}
	}
	return out
}

// fillAnswers adds to each answer the headers of all, and what its x-problems say. They
// are sorted, without those that are null.
func fillAnswers(answers *yaml.Node) {
	pairs := slices.Collect(slices.Chunk(answers.Content, 2))
	slices.SortStableFunc(pairs, func(x, y []*yaml.Node) int { return cmp.Compare(x[0].Value, y[0].Value) })
	answers.Content = nil
	for _, pair := range pairs {
		answer := pair[1]
		if answer.Tag == "!!null" {
			continue
		}
		answers.Content = append(answers.Content, pair...)
		if member(answer, "$ref") == nil {
			putHeader(answer, "X-Request-Id", "RequestId")
			if problems := take(answer, "x-problems"); problems != nil {
				fillProblems(answer, problems.Content)
			}
		}
	}
}

// fillProblems makes an answer one of problems of these names, all of one status.
func fillProblems(answer *yaml.Node, names []*yaml.Node) {
	kinds := problem.Kinds()
	types, retries := make([]string, len(names)), 0
	var first wire.Problem
	for i, name := range names {
		at := slices.IndexFunc(kinds, func(k problem.Kind) bool { return k.Name == name.Value })
		if at < 0 || i > 0 && kinds[at].Status != first.Status {
			panic(fmt.Sprintf("line %d of the API's contract: there is no problem %q of this status", name.Line, name.Value))
		}
		if types[i] = kinds[at].Type(); i == 0 {
			first = kinds[at].Problem()
		}
		if kinds[at].RetryAfter > 0 {
			retries++
		}
	}
	switch retries {
	case len(names):
		putHeader(answer, "Retry-After", "RetryAfter")
	case 0:
	default:
		putHeader(answer, "Retry-After", "MayRetryAfter")
	}
	if first.Status == http.StatusUnauthorized {
		putHeader(answer, "WWW-Authenticate", "WWWAuthenticate")
	}
	example := take(answer, "example")
	if example == nil {
		first.Detail, first.RequestID = cmp.Or(first.Detail, first.Title), "0190f000-0000-7000-8000-0000000000ff"
		example = nodeOf(first)
	}
	properties := object{"type": object{"enum": types}, "status": object{"const": first.Status}}
	schema := object{"allOf": []any{ref("schemas", "Problem"), object{"properties": properties}}}
	content := nodeOf(object{problem.Media: object{"schema": schema}})
	put(member(content, problem.Media), "example", example)
	put(answer, "content", content)
}

func putHeader(answer *yaml.Node, name, component string) {
	put(memberOr(answer, "headers", object{}), name, nodeOf(ref("headers", component)))
}
