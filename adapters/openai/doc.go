// Package openai is the analyser that asks an AI service to explain what another
// analyser detects. The service may be any server that speaks OpenAI's chat
// completions, such as OpenAI itself, Ollama, vLLM, llama.cpp or LM Studio.
//
// # Who does what
//
// The detector finds the anomalies, and the service cannot change their ids, log ids,
// counts, times, samples and scores. The service says what each anomaly means, what to
// do, what it is about, which anomalies have one cause, and how much each matters; it
// writes the summary. It can raise a severity by one step, never lower
// one, and cannot take an anomaly out of the category security.
//
// # What is sent
//
// Only anomalies are sent: kind, severity, counts, times, services, the detector's
// reason, the template, and two samples of at most 300 bytes. And only novel ones: the
// store keeps the answer for a kind, template and severity for Config.CacheTTL, for
// every process that shares the store. Workers of one process that need the same answer
// at the same time ask once.
//
// # What is believed
//
// Log lines are written by strangers, and may try to instruct the service. They travel
// as JSON data in the user's message, between two lines with a random mark that a log
// line cannot guess, without control and invisible characters. What protects is that
// the answer can do nothing: it cannot hide or lower what the detector found, even if
// the service obeys a line. A line that reads as an instruction to a model, by rules
// that know common wordings only, is not sent, and is an anomaly of its own, of the
// category security; most paraphrases, and an instruction that is spread over several
// entries, pass these rules. The answer is treated as text of a stranger too: it is
// checked against the schema, and its words are shown to a person and never carried
// out, without anything that a page or a terminal could act on. What it says about
// anything that was not sent is dropped and counted in the warnings.
//
// # Errors
//
// A request that failed for a passing reason (no connection, 408, 409, 425, 429, 5xx, an
// answer of another form) is tried at most twice more, after short waits. If that does
// not help, the error is a *domain.AnalyzerError with the wait that the service asked
// for, and the queue runs the task again. A lasting failure, and any failure in the last
// attempt of a task, is not an error: the result is the detector's, and its
// DegradedReason says why. A breaker opens after five failures in a row, and at once for
// a wrong key or a spent quota; while it is open, nothing waits for the service. A daily
// budget that is spent has the same effect; all processes share it by the store.
//
// Errors and reasons never hold the key, the prompt or a log line; of the service's
// own error message they show a short part, unless it repeats one of those.
//
// # Server requirements
//
// The answer is asked for by a strict JSON schema. If a server refuses response_format
// as a schema, as a JSON object or at all, the name of the limit of the answer, or the
// temperature, the package asks again in a way that the server knows, and remembers
// that way. A prompt that is too long for the model is sent in parts, down to 8 KiB.
package openai
