package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"logsift/domain"
)

// Bounds of the texts in a result.
const (
	maxSummary     = 2000
	maxExplanation = 2000
	maxAction      = 1000
	maxCause       = 120
	maxModel       = 200
)

// completion is the body of a success, read.
type completion struct {
	model   string
	content string
	usage   domain.Usage
	// told is whether the service told its usage.
	told bool
}

// readCompletion reads the body of a success. The failure is nil for an answer
// that is whole; the usage is that of the call in any case.
func (c *client) readCompletion(r *reply, p prompt, estimate func(bytes int) int) (completion, *failure) {
	var doc struct {
		Model   string `json:"model"`
		Choices []struct {
			FinishReason string `json:"finish_reason"`
			Message      struct {
				Content *string `json:"content"`
				Refusal string  `json:"refusal"`
			} `json:"message"`
		} `json:"choices"`
		Error json.RawMessage `json:"error"`
		Usage *struct {
			PromptTokens        int `json:"prompt_tokens"`
			CompletionTokens    int `json:"completion_tokens"`
			PromptTokensDetails struct {
				CachedTokens int `json:"cached_tokens"`
			} `json:"prompt_tokens_details"`
			CompletionDetails struct {
				ReasoningTokens int `json:"reasoning_tokens"`
			} `json:"completion_tokens_details"`
		} `json:"usage"`
	}
	out := completion{usage: domain.Usage{PromptTokens: estimate(p.size()), Calls: 1, Estimated: true}}
	if err := json.Unmarshal(r.body, &doc); err != nil {
		if text := bytes.TrimSpace(r.body); bytes.HasPrefix(text, []byte("<")) {
			return out, badAnswer("the answer is a web page, not a chat completion (ai-base-url)")
		}
		return out, badAnswer("the answer is not a chat completion")
	}
	if len(doc.Choices) == 0 && len(doc.Error) > 0 && string(doc.Error) != "null" {
		return completion{}, c.hiddenError(r, p)
	}
	var content string
	if len(doc.Choices) > 0 && doc.Choices[0].Message.Content != nil {
		content = *doc.Choices[0].Message.Content
	}
	// A server knows the key; nobody else is to see it in a result.
	out.model, out.content = clean(c.withoutKey(doc.Model), maxModel), c.withoutKey(content)
	if u := doc.Usage; u != nil && u.PromptTokens > 0 {
		clamp := func(n int) int { return min(max(n, 0), maxTokens) }
		out.told = true
		out.usage = domain.Usage{
			PromptTokens: clamp(u.PromptTokens), CompletionTokens: clamp(u.CompletionTokens), Calls: 1,
			CachedTokens: clamp(u.PromptTokensDetails.CachedTokens), ReasoningTokens: clamp(u.CompletionDetails.ReasoningTokens),
		}
	} else {
		out.usage.CompletionTokens = estimate(len(content))
	}
	if len(doc.Choices) == 0 {
		return out, badAnswer("the answer holds no choice")
	}
	switch choice := doc.Choices[0]; {
	case choice.Message.Refusal != "" || choice.FinishReason == "content_filter":
		return out, &failure{charged: true, fault: &domain.AnalyzerError{Kind: domain.AnalyzerRefused, Message: "the model refused to look at these logs"}}
	case choice.FinishReason == "length":
		return out, &failure{charged: true, cut: true, fault: &domain.AnalyzerError{Kind: domain.AnalyzerTooLarge, Message: "the answer was cut at its length limit"}}
	case strings.TrimSpace(content) == "":
		return out, badAnswer("the answer is empty")
	}
	return out, nil
}

// hiddenError is an error that came with the status of a success, as from LM
// Studio for a wrong address, or from a gateway. Its code is that of the status
// where it is one.
func (c *client) hiddenError(r *reply, p prompt) *failure {
	e := readError(r.body)
	hidden := &reply{status: http.StatusBadGateway, header: r.header, body: r.body}
	if status, err := strconv.Atoi(e.code); err == nil && status >= 400 && status < 600 {
		hidden.status = status
	} else if e.names("unexpected endpoint") {
		hidden.status = http.StatusNotFound
	}
	f := c.refusal(hidden, e, p.data)
	f.fault.StatusCode = r.status
	return f
}

// finding is what the service says about some anomalies that have one cause.
// Anomalies are then numbers of those that were sent, each once and at least one.
type finding struct {
	Anomalies       []int                  `json:"anomalies"`
	Cause           string                 `json:"cause"`
	Explanation     string                 `json:"explanation"`
	SuggestedAction string                 `json:"suggested_action"`
	Category        domain.AnomalyCategory `json:"category"`
	Severity        string                 `json:"severity"`
	Relevance       *float64               `json:"relevance"`

	severity domain.Severity
}

// answer is what a service found, checked.
type answer struct {
	summary  string
	findings []finding
	dropped  dropped
}

// dropped counts what of an answer was not used.
type dropped struct {
	// broken are findings that are not of the form asked for, strangers numbers of
	// no anomaly that was sent, empty findings that name none, again anomalies that
	// an earlier finding had named, unasked findings with further fields.
	broken, strangers, empty, again, unasked int
}

func (d *dropped) add(o dropped) {
	d.broken += o.broken
	d.strangers += o.strangers
	d.empty += o.empty
	d.again += o.again
	d.unasked += o.unasked
}

// warnings says what was dropped.
func (d *dropped) warnings() []string {
	var out []string
	for _, w := range []struct {
		count int
		text  string
	}{
		{d.broken, "findings of the AI service were dropped: not of the form that was asked for"},
		{d.strangers, "numbers in the AI service's answer were dropped: no such anomaly was sent"},
		{d.empty, "findings of the AI service were dropped: they name no anomaly that was sent"},
		{d.again, "repeated mentions of an anomaly by the AI service were dropped"},
		{d.unasked, "findings of the AI service had fields that were not asked for, which were dropped"},
	} {
		if w.count > 0 {
			out = append(out, fmt.Sprintf("%d %s", w.count, w.text))
		}
	}
	return out
}

// readAnswer reads the model's text about so many anomalies. A finding that breaks
// the schema costs itself, not the others; only if none is left is the answer bad.
func readAnswer(content string, anomalies int) (*answer, *failure) {
	var doc struct {
		Summary  string             `json:"summary"`
		Findings *[]json.RawMessage `json:"findings"`
	}
	if err := json.Unmarshal([]byte(object(content)), &doc); err != nil || doc.Findings == nil {
		return nil, badAnswer("the model's text is not JSON of the form that was asked for")
	}
	a := &answer{summary: said(doc.Summary, maxSummary)}
	named := make([]bool, anomalies+1)
	for _, raw := range *doc.Findings {
		f, ok := readFinding(raw, &a.dropped)
		if !ok {
			a.dropped.broken++
			continue
		}
		asked := f.Anomalies
		f.Anomalies = nil
		for _, n := range asked {
			switch {
			case n < 1 || n > anomalies:
				a.dropped.strangers++
			case slices.Contains(f.Anomalies, n):
			case named[n]:
				a.dropped.again++
			default:
				named[n] = true
				f.Anomalies = append(f.Anomalies, n)
			}
		}
		if len(f.Anomalies) == 0 {
			a.dropped.empty++
			continue
		}
		a.findings = append(a.findings, f)
	}
	if a.dropped.broken > 0 && a.dropped.broken == len(*doc.Findings) {
		return nil, badAnswer("no finding in the model's text is of the form that was asked for")
	}
	return a, nil
}

// readFinding reads one finding and checks it against the schema, but that further
// fields are counted and left out.
func readFinding(raw json.RawMessage, d *dropped) (finding, bool) {
	var f finding
	strict := json.NewDecoder(bytes.NewReader(raw))
	strict.DisallowUnknownFields()
	if strict.Decode(&f) == nil {
		return f, f.check()
	}
	f = finding{}
	if json.Unmarshal(raw, &f) != nil || !f.check() {
		return finding{}, false
	}
	d.unasked++
	return f, true
}

// check reports whether the values fit the schema, and cleans the texts.
// An unknown category becomes "unknown", which says the same.
func (f *finding) check() bool {
	severity, err := domain.ParseSeverity(f.Severity)
	if err != nil || f.Relevance == nil || *f.Relevance < 0 || *f.Relevance > 1 {
		return false
	}
	if !knownCategory(f.Category) {
		f.Category = domain.CategoryUnknown
	}
	f.severity = severity
	f.Cause = said(f.Cause, maxCause)
	f.Explanation = said(f.Explanation, maxExplanation)
	f.SuggestedAction = said(f.SuggestedAction, maxAction)
	return f.Explanation != ""
}

func knownCategory(c domain.AnomalyCategory) bool { return slices.Contains(categories, c) }

// object returns the JSON object in a model's text: without thoughts before it,
// and without a code fence or words round it.
func object(text string) string {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "{") {
		// Some servers send the end of the thoughts without their beginning.
		if _, after, ok := strings.Cut(text, "</think>"); ok {
			text = after
		}
	}
	begin, end := strings.IndexByte(text, '{'), strings.LastIndexByte(text, '}')
	if begin < 0 || end < begin {
		return ""
	}
	return text[begin : end+1]
}
