package problem

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"logsift/adapters/httpapi/wire"
)

// Path is where the kinds of problems are explained.
const Path = "/problems"

// types returns what is told of each kind.
func types() []wire.ProblemType {
	var out []wire.ProblemType
	for _, k := range Kinds() {
		out = append(out, wire.ProblemType{
			Type: k.Type(), Name: k.Name, Title: k.Title, Status: k.Status, Meaning: k.Meaning, Action: k.Action, Retry: k.RetryAfter > 0,
		})
	}
	return out
}

// Explain answers with the kind of the name, or with all for "": as JSON, or as a page
// for browsers.
func Explain(w http.ResponseWriter, r *http.Request, name string) error {
	shown := types()
	var view any = wire.ProblemTypes{Problems: shown}
	if name != "" {
		i := slices.IndexFunc(shown, func(p wire.ProblemType) bool { return p.Name == name })
		if i < 0 {
			return ErrNoRoute
		}
		view, shown = shown[i], shown[i:i+1]
	}
	w.Header().Set("Vary", "Accept")
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		return wire.Write(w, http.StatusOK, view)
	}
	var out bytes.Buffer
	if err := page.Execute(&out, shown); err != nil {
		return fmt.Errorf("write the page of problems: %w", err)
	}
	wire.Send(w, http.StatusOK, "text/html; charset=utf-8", out.Bytes())
	return nil
}

// page needs no style nor script, which the policy of the API's answers does
// not allow.
var page = template.Must(template.New("problems").Parse(`<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Problems of the logsift API</title></head>
<body>
<main>
{{range .}}<article>
<h1><a href="` + Path + `/{{.Name}}">{{.Title}}</a></h1>
<p><code>{{.Type}}</code>, status {{.Status}}</p>
<p>{{.Meaning}}</p>
<p>{{.Action}}</p>
</article>
{{end}}<p><a href="` + Path + `">All problems</a></p>
</main>
</body>
</html>
`))
