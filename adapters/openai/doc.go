// Package openai is the analyser that asks an AI service: any server that speaks
// OpenAI's chat completions, such as OpenAI itself, Ollama, vLLM, llama.cpp or
// LM Studio.
//
// # What is sent
//
// Lines that differ only in their variable parts become one group, so that a
// line that came ten thousand times is sent once, with its count and two samples.
// The groups are numbered; the most severe and the rarest come first, and what
// does not fit the prompt is left out and counted in the result.
//
// # What is believed
//
// Log lines are written by strangers, and may try to instruct the service. They
// travel as JSON data in the user's message, between two lines with a random mark
// that a log line cannot guess, without control and invisible characters. The
// answer is treated as text of a stranger too: it names groups by their number,
// and this package derives the log ids, counts, times and sources from them. Its
// words are shown to a person and never carried out. Numbers of no group, and
// anomalies that break the schema, are dropped and counted in the warnings.
//
// # Errors
//
// All are a *domain.AnalyzerError, or wrap the error of a context that ended.
// They never hold the key, the prompt or a log line; of the service's own error
// message they show a short part, unless it repeats one of those. Nothing that
// may pass by itself is tried again here: the queue does so, after the wait that
// the service asked for.
//
// # Server requirements
//
// The answer is asked for by a strict JSON schema. A server that refuses
// response_format as a schema, as a JSON object or at all, or max_completion_tokens
// for max_tokens, is asked again in the way it knows, and so from then on. A prompt
// that is too long for the model is halved, down to 6 KiB.
package openai
