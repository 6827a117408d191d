package openai

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"logsift/domain"
)

// Bounds of the texts in a result.
const (
	maxSummary     = 2000
	maxExplanation = 2000
	maxAction      = 1000
	maxModel       = 200
)

// answer is what a service found, checked.
type answer struct {
	model    string
	summary  string
	findings []finding
	warnings []string
}

// finding is one anomaly as the service gives it. Groups are then the numbers of
// groups that were sent, each once and at least one.
type finding struct {
	Groups          []int                  `json:"groups"`
	Explanation     string                 `json:"explanation"`
	SuggestedAction string                 `json:"suggested_action"`
	Kind            domain.AnomalyKind     `json:"kind"`
	Category        domain.AnomalyCategory `json:"category"`
	Severity        string                 `json:"severity"`
	Score           *float64               `json:"score"`
	Confidence      *float64               `json:"confidence"`

	severity domain.Severity
}

// readAnswer reads and checks the body of a success, and adds to usage what it
// cost. The error is a *domain.AnalyzerError: refused, too large if the answer was
// cut at its limit, or a bad answer.
func readAnswer(body []byte, p prompt, usage *domain.Usage) (*answer, error) {
	var doc struct {
		Model   string `json:"model"`
		Choices []struct {
			FinishReason string `json:"finish_reason"`
			Message      struct {
				Content *string `json:"content"`
				Refusal string  `json:"refusal"`
			} `json:"message"`
		} `json:"choices"`
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
	usage.Calls++
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, badAnswer("the answer is not a chat completion")
	}
	if len(doc.Choices) == 0 {
		return nil, badAnswer("the answer holds no choice")
	}
	choice := doc.Choices[0]
	var content string
	if choice.Message.Content != nil {
		content = *choice.Message.Content
	}
	a := &answer{model: clean(doc.Model, maxModel)}
	if u := doc.Usage; u != nil && u.PromptTokens > 0 {
		usage.PromptTokens += u.PromptTokens
		usage.CompletionTokens += max(0, u.CompletionTokens)
		usage.CachedTokens += max(0, u.PromptTokensDetails.CachedTokens)
		usage.ReasoningTokens += max(0, u.CompletionDetails.ReasoningTokens)
		// No tokenizer packs logs so tightly: a server such as Ollama cuts what is
		// longer than its context, and does not say so.
		if u.PromptTokens*maxBytesPerToken < p.size() {
			a.warnings = append(a.warnings, fmt.Sprintf("the service read %d tokens of a prompt of %d bytes: its context is probably too small for all of it", u.PromptTokens, p.size()))
		}
	} else {
		usage.PromptTokens += estimateTokens(p.size())
		usage.CompletionTokens += estimateTokens(len(content))
		usage.Estimated = true
	}
	switch {
	case choice.Message.Refusal != "" || choice.FinishReason == "content_filter":
		return nil, &domain.AnalyzerError{Kind: domain.AnalyzerRefused, Message: "the model refused to look at these logs"}
	case choice.FinishReason == "length":
		return nil, &domain.AnalyzerError{Kind: domain.AnalyzerTooLarge, Message: "the answer was cut at its length limit"}
	case strings.TrimSpace(content) == "":
		return nil, badAnswer("the answer is empty")
	}
	return a, a.read(content, len(p.groups))
}

// maxBytesPerToken is more than any text of logs has; two to three are usual.
const maxBytesPerToken = 8

// estimateTokens errs on the side of too many.
func estimateTokens(bytes int) int { return (bytes + 1) / 2 }

func badAnswer(message string) error {
	return &domain.AnalyzerError{Kind: domain.AnalyzerBadAnswer, Message: message}
}

// read reads the model's text. A finding that breaks the schema costs itself, not
// the others; only if none is left is the answer bad.
func (a *answer) read(content string, groups int) error {
	var doc struct {
		Summary   string             `json:"summary"`
		Anomalies *[]json.RawMessage `json:"anomalies"`
	}
	if err := json.Unmarshal([]byte(object(content)), &doc); err != nil || doc.Anomalies == nil {
		return badAnswer("the model's text is not JSON of the form that was asked for")
	}
	a.summary = clean(doc.Summary, maxSummary)
	broken, strangers, empty := 0, 0, 0
	for _, raw := range *doc.Anomalies {
		var f finding
		if json.Unmarshal(raw, &f) != nil || !f.check() {
			broken++
			continue
		}
		named := len(f.Groups)
		f.Groups = slices.DeleteFunc(f.Groups, func(n int) bool { return n < 1 || n > groups })
		strangers += named - len(f.Groups)
		slices.Sort(f.Groups)
		f.Groups = slices.Compact(f.Groups)
		if len(f.Groups) == 0 {
			empty++
			continue
		}
		a.findings = append(a.findings, f)
	}
	if broken > 0 && broken == len(*doc.Anomalies) {
		return badAnswer("no anomaly in the model's text is of the form that was asked for")
	}
	for _, w := range []struct {
		count int
		text  string
	}{
		{broken, "anomalies of the answer were dropped: not of the form that was asked for"},
		{strangers, "group numbers of the answer were dropped: no such group was sent"},
		{empty, "anomalies of the answer were dropped: they name no group that was sent"},
	} {
		if w.count > 0 {
			a.warnings = append(a.warnings, fmt.Sprintf("%d %s", w.count, w.text))
		}
	}
	return nil
}

// check reports whether the values are those of the schema. A category that is
// none of the known becomes unknown, which says the same.
func (f *finding) check() bool {
	severity, err := domain.ParseSeverity(f.Severity)
	inRange := func(x *float64) bool { return x != nil && *x >= 0 && *x <= 1 }
	if err != nil || !slices.Contains(kinds, f.Kind) || !inRange(f.Score) || !inRange(f.Confidence) {
		return false
	}
	if !slices.Contains(categories, f.Category) {
		f.Category = domain.CategoryUnknown
	}
	f.severity = severity
	f.Explanation = clean(f.Explanation, maxExplanation)
	f.SuggestedAction = clean(f.SuggestedAction, maxAction)
	return true
}

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
