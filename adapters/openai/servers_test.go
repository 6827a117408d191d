package openai_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/openai"
	"logsift/domain"
)

// The fakes here do what the real servers do with a request, as far as this client
// depends on it: they refuse what those refuse, in the same words, and pass over
// what those pass over. Sources: openai-go v3 and the API reference; Ollama's
// openai/openai.go and docs/api/openai-compatibility.mdx; vLLM's docs/serving and
// entrypoints/openai; llama.cpp's tools/server/README.md and server-common.cpp; LM
// Studio's docs on the OpenAI endpoints.

// tokensOf counts as those servers would, at three bytes a token.
func (q question) tokensOf() int {
	n := 0
	for _, m := range q.Messages {
		n += (len(m.Content) + 2) / 3
	}
	return n
}

// fields are the names of the request's fields.
func (q question) fields() []string {
	var doc map[string]json.RawMessage
	if json.Unmarshal([]byte(q.body), &doc) != nil {
		return nil
	}
	var out []string
	for name := range doc {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// constrained is whether the answer is held to the schema of the request.
func (q question) constrained() bool {
	return q.ResponseFormat != nil && q.ResponseFormat.Type == "json_schema" && q.ResponseFormat.JSONSchema.Schema != nil
}

// completion answers about the anomalies that the prompt holds, with the further
// fields that a server adds.
func completion(w http.ResponseWriter, q question, promptTokens int, more string) {
	anomalies, err := q.anomalies()
	if err != nil {
		reply(w, http.StatusBadRequest, err.Error())
		return
	}
	var findings []string
	for _, a := range anomalies {
		findings = append(findings, finding(a.Severity, a.Anomaly))
	}
	content(w, found(findings...), "stop", promptTokens, more)
}

func content(w http.ResponseWriter, text, finish string, promptTokens int, more string) {
	reply(w, http.StatusOK, fmt.Sprintf(`{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m-1",
		"choices":[{"index":0,"finish_reason":%q,"message":{"role":"assistant","content":%s%s}}],
		"usage":{"prompt_tokens":%d,"completion_tokens":20,"total_tokens":%d}}`, finish, quote(text), more, promptTokens, promptTokens+20))
}

// fakeOpenAI refuses unknown fields, a schema that is not strict, JSON mode without
// the word, and, as its reasoning models do, max_tokens and a temperature.
func fakeOpenAI(w http.ResponseWriter, _ *http.Request, q question) {
	refuse := func(status int, message, param, code string) {
		reply(w, status, fmt.Sprintf(`{"error":{"message":%s,"type":"invalid_request_error","param":%s,"code":%s}}`, quote(message), quote(param), quote(code)))
	}
	known := []string{"max_completion_tokens", "max_tokens", "messages", "model", "response_format", "temperature"}
	switch {
	case q.header.Get("Authorization") != "Bearer sk-secret-key":
		refuse(http.StatusUnauthorized, "Incorrect API key provided: sk-x.", "", "invalid_api_key")
		return
	case q.MaxTokens != nil && q.MaxCompletionTokens != nil:
		refuse(http.StatusBadRequest, "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.", "max_tokens", "invalid_parameter_combination")
		return
	case q.MaxTokens != nil:
		refuse(http.StatusBadRequest, "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", "max_tokens", "unsupported_parameter")
		return
	case q.Temperature != nil:
		refuse(http.StatusBadRequest, "Unsupported value: 'temperature' does not support 0.5 with this model. Only the default (1) value is supported.", "temperature", "unsupported_value")
		return
	}
	for _, name := range q.fields() {
		if !slices.Contains(known, name) {
			refuse(http.StatusBadRequest, "Unrecognized request argument supplied: "+name, "", "")
			return
		}
	}
	if f := q.ResponseFormat; f != nil {
		switch {
		case f.Type == "json_object" && !strings.Contains(q.body, "JSON"):
			refuse(http.StatusBadRequest, "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.", "messages", "")
			return
		case f.Type == "json_schema" && (f.JSONSchema.Name == "" || f.JSONSchema.Strict && !strict(f.JSONSchema.Schema)):
			refuse(http.StatusBadRequest, "Invalid schema for response_format", "response_format", "")
			return
		}
	}
	completion(w, q, q.tokensOf(), `,"refusal":null,"annotations":[]`)
}

// strict reports whether OpenAI takes the schema in strict mode.
func strict(schema map[string]any) bool {
	for name, value := range schema {
		switch child := value.(type) {
		case map[string]any:
			if name == "items" && !strict(child) {
				return false
			}
			if name != "properties" {
				continue
			}
			required, _ := schema["required"].([]any)
			for property, s := range child {
				of, ok := s.(map[string]any)
				if !ok || !slices.Contains(required, any(property)) || !strict(of) {
					return false
				}
			}
		}
	}
	return schema["type"] != "object" || schema["additionalProperties"] == false
}

// fakeOllama passes over every field that it does not know, max_completion_tokens
// among them; without max_tokens it writes until its context is full. It cuts what
// is longer than that without a word.
func fakeOllama(context int) func(w http.ResponseWriter, _ *http.Request, q question) {
	return func(w http.ResponseWriter, _ *http.Request, q question) {
		switch {
		case q.Model != "m":
			reply(w, http.StatusNotFound, fmt.Sprintf(`{"error":{"message":"model '%s' not found","type":"not_found_error","param":null,"code":null}}`, q.Model))
		case q.MaxTokens == nil:
			content(w, `{"summary":"s","findings":[{"an`, "length", min(q.tokensOf(), context), "")
		case !q.constrained():
			content(w, "Sure! Here is what I found.", "stop", min(q.tokensOf(), context), "")
		default:
			completion(w, q, min(q.tokensOf(), context), "")
		}
	}
}

// fakeVLLM refuses an answer for which its context has no room.
func fakeVLLM(context int) func(w http.ResponseWriter, _ *http.Request, q question) {
	return func(w http.ResponseWriter, _ *http.Request, q question) {
		refuse := func(message string) {
			reply(w, http.StatusBadRequest, fmt.Sprintf(`{"object":"error","message":%s,"type":"BadRequestError","param":null,"code":400}`, quote(message)))
		}
		limit := q.MaxCompletionTokens
		if limit == nil {
			limit = q.MaxTokens
		}
		tokens := q.tokensOf()
		switch {
		case tokens >= context:
			refuse(fmt.Sprintf("This model's maximum context length is %d tokens. However, your request has %d input tokens. Please reduce the length of the input messages.", context, tokens))
		case limit != nil && tokens+*limit > context:
			refuse(fmt.Sprintf("'max_tokens' or 'max_completion_tokens' is too large: %d. This model's maximum context length is %d tokens and your request has %d input tokens (%d > %d - %d).",
				*limit, context, tokens, *limit, context, tokens))
		case !q.constrained():
			content(w, "Sure!", "stop", tokens, "")
		default:
			completion(w, q, tokens, `,"tool_calls":[],"reasoning_content":null`)
		}
	}
}

// fakeLlamaCpp holds the answer to the nested form of the schema only, and says
// nothing where it is asked for in another.
func fakeLlamaCpp(context int) func(w http.ResponseWriter, _ *http.Request, q question) {
	return func(w http.ResponseWriter, _ *http.Request, q question) {
		tokens := q.tokensOf()
		switch {
		case tokens > context:
			reply(w, http.StatusBadRequest, fmt.Sprintf(`{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_prompt_tokens":%d,"n_ctx":%d}}`, tokens, context))
		case q.constrained() || q.ResponseFormat != nil && q.ResponseFormat.Type == "json_object":
			completion(w, q, tokens, `,"reasoning_content":"Is {this} it?"`)
		default:
			content(w, "Let me think.", "stop", tokens, "")
		}
	}
}

// fakeLMStudio knows one form of response_format, and answers for a wrong address
// with the status of a success.
func fakeLMStudio(w http.ResponseWriter, r *http.Request, q question) {
	switch {
	case !strings.HasPrefix(r.URL.Path, "/v1/"):
		reply(w, http.StatusOK, fmt.Sprintf(`{"error":"Unexpected endpoint or method. (POST %s)"}`, r.URL.Path))
	case q.ResponseFormat != nil && q.ResponseFormat.Type != "json_schema" && q.ResponseFormat.Type != "text":
		reply(w, http.StatusBadRequest, `{"error":"'response_format.type' must be 'json_schema' or 'text'"}`)
	case q.MaxTokens == nil:
		content(w, `{"summary":"s","fin`, "length", q.tokensOf(), "")
	default:
		completion(w, q, q.tokensOf(), "")
	}
}

// explained fails unless the service explained each anomaly.
func explained(t *testing.T, r domain.AnalysisResult, err error) {
	t.Helper()
	require.NoError(t, err)
	require.Empty(t, r.DegradedReason)
	require.NotEmpty(t, r.Anomalies)
	for _, a := range r.Anomalies {
		require.Equal(t, openai.Source, a.Source)
	}
}

func TestServersAreAskedAsTheyWantToBe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request, q question)
		change func(*openai.Config)
		lines  int
		// first are how many anomalies the requests of a first analysis held, again
		// those of a second one, of other templates.
		first, again []int
		// fields are those of the request that succeeded.
		fields string
	}{
		"OpenAI": {fakeOpenAI, nil, 3, []int{3, 3}, []int{3}, "max_completion_tokens messages model response_format"},
		"OpenAI, with a temperature": {fakeOpenAI, func(c *openai.Config) { c.Temperature = new(0.5) }, 3, []int{3, 3, 3}, []int{3},
			"max_completion_tokens messages model response_format"},
		"Ollama":                              {fakeOllama(32768), nil, 3, []int{3}, []int{3}, "max_tokens messages model response_format"},
		"Ollama, with its usual context":      {fakeOllama(4096), func(c *openai.Config) { c.MaxPromptTokens = 4096 }, 12, []int{12}, []int{12}, "max_tokens messages model response_format"},
		"vLLM":                                {fakeVLLM(32768), nil, 3, []int{3}, []int{3}, "max_tokens messages model response_format"},
		"vLLM, no room for the answer":        {fakeVLLM(8192), nil, 3, []int{3, 3}, []int{3}, "messages model response_format"},
		"vLLM, no room for prompt and answer": {fakeVLLM(4096), nil, 38, []int{38, 16, 16, 16, 6}, []int{16, 16, 6}, "messages model response_format"},
		"llama.cpp":                           {fakeLlamaCpp(32768), nil, 3, []int{3}, []int{3}, "max_tokens messages model response_format"},
		"llama.cpp, a small context":          {fakeLlamaCpp(4096), nil, 38, []int{38, 16, 16, 6}, []int{16, 16, 6}, "max_tokens messages model response_format"},
		"LM Studio":                           {fakeLMStudio, nil, 3, []int{3}, []int{3}, "max_tokens messages model response_format"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, c.answer)
			w := newWorld(s.URL)
			if c.change != nil {
				c.change(&w.cfg)
			}
			a := w.analyzer(t)
			logs := shapes(2 * c.lines)
			for i := range logs {
				logs[i].Message += strings.Repeat(" and some more of it", 12) // long enough for a context to matter
			}
			r, err := analyze(t, a, logs[:c.lines])
			explained(t, r, err)
			first := s.sizes()
			require.Equal(t, c.first, first)
			r, err = analyze(t, a, logs[c.lines:])
			explained(t, r, err)
			require.Equal(t, c.again, s.sizes()[len(first):], "what was found out is remembered")
			for _, q := range s.questions()[len(first):] {
				require.Equal(t, c.fields, strings.Join(q.fields(), " "))
			}
		})
	}
}

// The first words at OpenAI's own address are the new ones.
func TestOpenAIIsAskedInItsOwnWords(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://api.openai.com/v1": "max_completion_tokens", "https://me.openai.azure.com/openai/v1": "max_completion_tokens",
		"http://127.0.0.1:11434/v1": "max_tokens", "https://openai.com.example.org/v1": "max_tokens",
	} {
		require.Equal(t, want, openai.FirstLimit(address), address)
	}
}

func TestWhatAServerCutsSilentlyIsSentInParts(t *testing.T) {
	t.Parallel()
	// A prompt of 40 anomalies with many samples, for a context of 2048 tokens.
	s := serve(t, fakeOllama(2048))
	logs := shapes(40)
	for i := range logs {
		logs[i].Message += strings.Repeat(" and some more of it", 20)
	}
	a := analyzer(t, s)
	r, err := analyze(t, a, logs)
	explained(t, r, err)
	sizes := func() (out []int) {
		for _, q := range s.questions() {
			out = append(out, len(q.Messages[0].Content)+len(q.Messages[1].Content))
		}
		return out
	}
	first := sizes()
	require.Greater(t, first[0], 6*2048)
	for _, size := range first[2:] {
		require.LessOrEqual(t, size, first[0]/2, "%v", first)
	}
}

func TestWhatServersSayWhenTheyCannotServe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		says   string
		// retried is whether the queue may try again, down whether the breaker opens.
		retried, down bool
	}{
		"Ollama, a full queue":    {503, `{"error":{"message":"server busy, please try again.  maximum pending requests exceeded","type":"api_error","param":null,"code":null}}`, "maximum pending requests exceeded", true, false},
		"Ollama, an unknown one":  {404, `{"error":{"message":"model 'x' not found","type":"not_found_error","param":null,"code":null}}`, "model 'x' not found", false, true},
		"vLLM, an unknown one":    {404, `{"object":"error","message":"The model 'x' does not exist.","type":"NotFoundError","param":null,"code":404}`, "does not exist", false, true},
		"vLLM, no chat template":  {400, `{"object":"error","message":"As of transformers v4.44, default chat template is no longer allowed, so you must provide a chat template if the tokenizer does not define one.","type":"BadRequestError","param":null,"code":400}`, "the model has no chat template (ai-model)", false, true},
		"llama.cpp, loading":      {503, `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`, "Loading model", true, false},
		"LM Studio, a wrong path": {200, `{"error":"Unexpected endpoint or method. (POST /chat/completions)"}`, "does not know the model or the address", false, true},
		"LM Studio, no model":     {404, `{"error":{"message":"Failed to load model","type":"invalid_request_error","param":"model","code":"model_not_found"}}`, "Failed to load model", false, true},
		"OpenAI, no such project": {401, `{"error":{"message":"Incorrect API key","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`, "refuses the key", false, true},
		"OpenAI, no quota":        {429, `{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`, "You exceeded your current quota", false, true},
		"FastAPI":                 {422, `{"detail":[{"loc":["body","messages"],"msg":"field required","type":"value_error.missing"}]}`, "field required", false, false},
		"a gateway":               {504, "<html><head><title>504 Gateway Time-out</title></head></html>", "not available", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := analyzer(t, replies(t, c.status, c.body))
			if c.retried {
				require.Contains(t, fault(t, a, entries("x")).Message, c.says)
			} else {
				r, err := analyze(t, a, entries("x"))
				require.Contains(t, degraded(t, r, err), c.says)
			}
			require.Equal(t, c.down, a.Degraded() != "", a.Degraded())
		})
	}
}

// A schema that a server cannot turn into a grammar is not asked for again.
func TestASchemaThatIsNotUnderstoodIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refuses []string
		body    string
		calls   int
	}{
		"vLLM":      {[]string{"json_schema"}, `{"object":"error","message":"Failed to convert the grammar from JSON schema","type":"BadRequestError","code":400}`, 2},
		"llama.cpp": {[]string{"json_schema"}, `{"error":{"code":400,"message":"failed to parse grammar","type":"invalid_request_error"}}`, 2},
		"LM Studio": {[]string{"json_schema", "json_object"}, `{"error":"'response_format.type' must be 'text'"}`, 3},
		"FastAPI":   {[]string{"json_schema", "json_object"}, `{"detail":[{"loc":["body","response_format"],"msg":"extra fields not permitted"}]}`, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(w http.ResponseWriter, r *http.Request, q question) {
				if q.ResponseFormat != nil && slices.Contains(c.refuses, q.ResponseFormat.Type) {
					reply(w, http.StatusBadRequest, c.body)
					return
				}
				plausible(w, r, q)
			})
			a := analyzer(t, s)
			r, err := analyze(t, a, entries("x"))
			explained(t, r, err)
			require.Equal(t, 1, r.Usage.Calls, "what was refused costs nothing")
			require.Len(t, s.questions(), c.calls)
			r, err = analyze(t, a, entries("y"))
			explained(t, r, err)
			require.Len(t, s.questions(), c.calls+1)
		})
	}
}

// A model that once does not keep to the form is asked with less of one, and the
// next time as before.
func TestABadAnswerIsNoDialect(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request, q question) {
		if n.Add(1) == 1 {
			content(w, "Sure!", "stop", 1500, "")
			return
		}
		fakeLMStudio(w, r, q)
	})
	a := analyzer(t, s)
	for _, line := range []string{"x", "y"} {
		r, err := analyze(t, a, entries(line))
		explained(t, r, err)
	}
	require.Equal(t, []string{"json_schema", "json_object", "", "json_schema"}, s.formats())
}

// The fakes are no use if they take everything.
func TestTheFakesRefuseWhatTheServersRefuse(t *testing.T) {
	t.Parallel()
	schema := `"response_format":{"type":"json_schema","json_schema":{"name":"x","strict":true,"schema":%s}}`
	for name, c := range map[string]struct {
		fake   func(w http.ResponseWriter, r *http.Request, q question)
		fields string
		status int
		says   string
	}{
		"OpenAI, max_tokens":         {fakeOpenAI, `"max_tokens":5`, 400, "Unsupported parameter"},
		"OpenAI, both limits":        {fakeOpenAI, `"max_tokens":5,"max_completion_tokens":5`, 400, "at the same time"},
		"OpenAI, an unknown field":   {fakeOpenAI, `"nonsense":5`, 400, "Unrecognized"},
		"OpenAI, not all required":   {fakeOpenAI, fmt.Sprintf(schema, `{"type":"object","additionalProperties":false,"required":[],"properties":{"a":{"type":"string"}}}`), 400, "Invalid schema"},
		"OpenAI, further properties": {fakeOpenAI, fmt.Sprintf(schema, `{"type":"object","required":["a"],"properties":{"a":{"type":"string"}}}`), 400, "Invalid schema"},
		"OpenAI, deeper":             {fakeOpenAI, fmt.Sprintf(schema, `{"type":"object","additionalProperties":false,"required":["a"],"properties":{"a":{"type":"array","items":{"type":"object"}}}}`), 400, "Invalid schema"},
		"Ollama, the new limit":      {fakeOllama(4096), `"max_completion_tokens":5`, 200, `"length"`},
		"Ollama, no schema":          {fakeOllama(4096), `"max_tokens":5`, 200, "Sure!"},
		"vLLM, too long an answer":   {fakeVLLM(100), `"max_tokens":500`, 400, "is too large"},
		"vLLM, too long a prompt":    {fakeVLLM(10), `"max_tokens":5`, 400, "Please reduce"},
		"llama.cpp, a flat schema":   {fakeLlamaCpp(4096), `"response_format":{"type":"json_schema","schema":{"type":"object"}}`, 200, "Let me think."},
		"llama.cpp, too long":        {fakeLlamaCpp(10), `"max_tokens":5`, 400, "exceed_context_size_error"},
		"LM Studio, any JSON":        {fakeLMStudio, `"max_tokens":5,"response_format":{"type":"json_object"}`, 400, "must be"},
		"LM Studio, the new limit":   {fakeLMStudio, `"max_completion_tokens":5`, 200, `"length"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, c.fake)
			body := `{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"=== x ===\n=== x ===\n[{\"anomaly\":1}]\n=== x ===\n"}],` + c.fields + `}`
			req, err := http.NewRequest(http.MethodPost, s.URL+"/v1/chat/completions", strings.NewReader(body))
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer sk-secret-key")
			res, err := s.Client().Do(req)
			require.NoError(t, err)
			defer res.Body.Close()
			var got strings.Builder
			require.NoError(t, res.Write(&got))
			require.Equal(t, c.status, res.StatusCode)
			require.Contains(t, got.String(), c.says)
		})
	}
}
