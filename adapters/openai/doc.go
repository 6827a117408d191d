// Package openai is the analyser that has an AI service explain what another
// analyser detects. Any server that speaks OpenAI's chat completions will do, such
// as OpenAI itself, Ollama, vLLM, llama.cpp or LM Studio.
//
// # Who does what
//
// The detector finds the anomalies, and they stay its own: their ids, log ids,
// counts, times, samples and scores. The service says of each what it means, what
// to do, what it is about, which anomalies have one cause, and how much each
// matters; it writes the summary. It can raise a severity by one step, never lower
// one, and cannot take an anomaly out of the category security.
//
// # What is sent
//
// Only anomalies: kind, severity, counts, times, services, the detector's reason,
// the template, and two samples of at most 300 bytes. Only those that are novel:
// what the service said about a kind, template and severity is kept in the store,
// and used again for Config.CacheTTL, by every process that shares the store.
// Workers of one process that need the same at the same time ask once.
//
// # What is believed
//
// Log lines are written by strangers, and may try to instruct the service. They
// travel as JSON data in the user's message, between two lines with a random mark
// that a log line cannot guess, without control and invisible characters. A line
// that reads as an instruction to a model is not sent at all, and is an anomaly of
// its own, of the category security; what that rule does not know still has no
// effect beyond text. The answer is treated as text of a stranger too: it is
// checked against the schema, its words are shown to a person and never carried
// out, without what a page or a terminal could act on, and what it says of anything
// that was not sent is dropped and counted in the warnings.
//
// # Errors
//
// What may pass by itself (no connection, 408, 409, 425, 429, 5xx, an answer of
// another form) is tried at most twice more, after short waits. If that does not
// help, the error is a *domain.AnalyzerError with the wait that the service asked
// for, so that the queue takes the task back. What does not pass, and what the last
// attempt of a task meets, is no error: the result is the detector's, and its
// DegradedReason says why. A breaker opens after five failures in a row, and at
// once for a wrong key or a spent quota; while it is open, nothing waits for the
// service. So does a daily budget, which all processes share by the store.
//
// Errors and reasons never hold the key, the prompt or a log line; of the service's
// own error message they show a short part, unless it repeats one of those.
//
// # Server requirements
//
// The answer is asked for by a strict JSON schema. A server that refuses
// response_format as a schema, as a JSON object or at all, the name of the limit of
// the answer, or the temperature, is asked again in the way it knows, and so from
// then on. A prompt that is too long for the model is sent in parts, down to 8 KiB.
package openai
