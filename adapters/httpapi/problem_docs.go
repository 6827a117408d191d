package httpapi

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/mux"

	"logsift/adapters/httpapi/wire"
)

// problemHelp says of each kind of problem, by its name, what it means and what the
// client can do.
var problemHelp = map[string]struct{ meaning, action string }{
	"task-not-found":         {"No task has this id.", "Look the id up in the list of tasks. Finished tasks are removed after their retention."},
	"log-not-found":          {"No log entry has this id.", "Search the log entries. They are removed with the task that analysed them, and after their retention at the latest."},
	"analysis-not-found":     {"No analysis is stored for this task.", "Wait for the task to complete, or look at its errors."},
	"anomaly-not-found":      {"No stored analysis found an anomaly with this id.", "Look the id up in the list of anomalies. Analyses are removed with their task."},
	"unknown-task-type":      {"The server has no processor for this type of task, so that it would never run.", "Use one of the types that the problem names, or run a server that has the processor."},
	"invalid-cursor":         {"The cursor does not come from this list with these filters.", "Begin the list anew without a cursor, and pass each next_cursor on as it is, with the same filters."},
	"idempotency-key-reused": {"The Idempotency-Key belongs to an earlier request with other contents. Nothing was done.", "Use a new key for a new request. Repeat a request with its key and its body unchanged."},
	"idempotency-key-in-use": {"The first request with this Idempotency-Key has no answer yet.", "Send the same request again after the seconds of Retry-After. If the server died over it, the key is free after a minute."},
	"duplicate-task":         {"An unfinished task holds the unique key. The member holder is its id.", "Wait until that task has finished, cancel it, or use another unique key."},
	"invalid-transition":     {"The task is in a state that forbids this. The member task_status is that state.", "Read the task, and choose what its state allows: failed and cancelled tasks can be retried, unfinished ones cancelled."},
	"queue-full":             {"As many tasks wait as may wait. Nothing was stored.", "Send the same request again after the seconds of Retry-After. Add workers, or raise the limit (max-pending)."},
	"store-full":             {"The store takes no more: its memory or disk is full. Nothing was changed.", "Delete finished tasks, shorten the retention, or give the store more room."},
	"store-read-only":        {"The store refuses writes, as a replica does. Nothing was changed.", "Send the same request again after the seconds of Retry-After. If it stays so, point the server at the primary."},
	"store-unavailable":      {"The store did not answer in time. A write may or may not have happened.", "Send the same request again after the seconds of Retry-After, with the same Idempotency-Key, so that nothing is done twice."},
	"overloaded":             {"The server is busy with as many large bodies as it can hold.", "Send the same request again after the seconds of Retry-After, or send smaller bodies."},
	"stopping":               {"The server is being stopped.", "Send the same request again after the seconds of Retry-After; another process may answer by then."},
	"invalid-request":        {"A part of the request breaks a rule. The member errors names each field, parameter or header, and its rule.", "Correct what is named. Nothing was done."},
	"too-large":              {"The body, or a part of it, is larger than may be. The member limit has the name and value of the limit.", "Send less at a time, such as several batches."},
	"head-too-large":         {"The line and headers of the request are larger than may be. The member limit has the value.", "Send fewer or shorter headers, cookies and query parameters."},
	"rate-limited":           {"The caller, an API key or an address, sends more requests a second than may be. The member limit has the value.", "Wait for the seconds of Retry-After. The header RateLimit tells how many requests are left. Use batches and bulk actions."},
	"body-timeout":           {"The body did not arrive in time.", "Send the request again over a faster connection, or in smaller parts."},
	"too-many-streams":       {"As many streams of events are open as may be.", "Close streams that nobody reads, or come back after the seconds of Retry-After."},
	"unsupported-media-type": {"The server does not read this Content-Type or Content-Encoding here.", "Use one that the problem names."},
	"precondition-failed":    {"What is there now is not the version that If-Match names, or is one that If-None-Match names: it has changed since the client read it. Nothing was done.", "Read it again, decide anew, and send the request with the ETag of that answer."},
	"no-such-path":           {"The API has no such path.", "Look the path up in /openapi.json."},
	"method-not-allowed":     {"The path does not have this method.", "Use one of the methods in the header Allow."},
	"unauthorized":           {"The request has no valid API key.", "Send a key as Authorization: Bearer KEY. An administrator makes keys by: logsift key create."},
	"forbidden":              {"The API key's role does not permit this.", "Use a key with the role that the problem names."},
	"too-many-sign-ins":      {"Too many sign-ins from this address have failed.", "Wait for the seconds of Retry-After."},
	"host-not-allowed":       {"The server does not answer to the name in the Host header. This keeps other web sites from reaching it by a name of theirs.", "Use the address that the server listens on, or allow the name (allowed-hosts)."},
	"cross-origin":           {"A browser sent this request for another web site. This keeps other sites from acting in your name.", "Send it from the server's own pages, or by a program."},
	"client-closed":          {"The client closed the connection before the answer.", "Nobody sees this but the server's log."},
	"timeout":                {"The request took too long. A write may or may not have happened.", "Send the same request again after the seconds of Retry-After, with the same Idempotency-Key, so that nothing is done twice."},
	"internal":               {"Something went wrong in the server that it does not know.", "Look for the request_id in the server's log, and report what it says."},
}

// problemsPath is where the kinds of problems are explained.
const problemsPath = "/problems"

// problemTypesView returns what is told of each kind of problem, by name. A name stands
// for one status.
func problemTypesView() []wire.ProblemType {
	var out []wire.ProblemType
	for _, k := range append(slices.Clone(problemKinds), unexpected) {
		if slices.ContainsFunc(out, func(p wire.ProblemType) bool { return p.Name == k.name }) {
			continue
		}
		help := problemHelp[k.name]
		out = append(out, wire.ProblemType{
			Type: problemTypes + k.name, Name: k.name, Title: k.title, Status: k.status,
			Meaning: help.meaning, Action: help.action, Retry: k.retryAfter > 0,
		})
	}
	slices.SortFunc(out, func(a, b wire.ProblemType) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (a *API) listProblems(w http.ResponseWriter, r *http.Request) error {
	return showProblems(w, r, wire.ProblemTypes{Problems: problemTypesView()}, problemTypesView()...)
}

func (a *API) getProblem(w http.ResponseWriter, r *http.Request) error {
	for _, p := range problemTypesView() {
		if p.Name == mux.Vars(r)["name"] {
			return showProblems(w, r, p, p)
		}
	}
	return errNoRoute
}

// showProblems answers with JSON, or with a page for browsers.
func showProblems(w http.ResponseWriter, r *http.Request, v any, types ...wire.ProblemType) error {
	w.Header().Set("Vary", "Accept")
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		return writeJSON(w, http.StatusOK, v)
	}
	var page bytes.Buffer
	if err := problemPage.Execute(&page, types); err != nil {
		return fmt.Errorf("write the page of problems: %w", err)
	}
	send(w, http.StatusOK, "text/html; charset=utf-8", page.Bytes())
	return nil
}

// problemPage needs no style nor script, which the policy of the API's answers does
// not allow.
var problemPage = template.Must(template.New("problems").Parse(`<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Problems of the logsift API</title></head>
<body>
<main>
{{range .}}<article>
<h1><a href="` + problemsPath + `/{{.Name}}">{{.Title}}</a></h1>
<p><code>{{.Type}}</code>, status {{.Status}}</p>
<p>{{.Meaning}}</p>
<p>{{.Action}}</p>
</article>
{{end}}<p><a href="` + problemsPath + `">All problems</a></p>
</main>
</body>
</html>
`))
