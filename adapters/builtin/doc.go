// Package builtin is the analyser that needs no service: it finds what is
// unusual in log lines by counting, without labels or training.
//
// The lines of each source are judged apart. Package mining finds their
// templates, those of JSON and logfmt by level, logger and message; a template within one service (an attribute, or the Kubernetes
// deployment whose pod a line names) is judged by itself. Detectors look at templates, at
// services, and at sessions, and the findings on one subject become one anomaly:
//
//   - new_template: a template that was never learned
//   - rare_template: few lines, or few sessions, have the template
//   - frequency_spike, frequency_drop: far more or fewer lines than in the rest of
//     the time, or than was learned
//   - missing_event: a steady line stopped, a learned one is not there, or a session
//     lacks a line that nearly all others have
//   - error_burst: far more errors within a stretch of time
//   - recurring_error: errors, warnings or failures that come again and again
//   - severity_shift: far more of a service's lines are warnings or worse, or a
//     template has a graver level than was learned
//   - count_vector: a session has the templates of the others, but other numbers of lines
//   - numeric_outlier: a value far from the others at its place in a template, a step of a
//     session that took far longer than others, or a service whose steps take longer than
//     was learned
//
// The data decides what is unusual: the border lies at the widest gap between
// neighbouring counts, or many robust deviations from the median.
//
// # Sessions
//
// An id that several lines share (of a block, a request, a trace, an instance)
// makes them a session. The analyser chooses the kinds of id that divide the lines of a
// log best: those that many lines hold, a few each, and where the template of a line tells
// whether it is the first or the last of its session. Threads, hosts and users, who serve
// many requests, have no first line. Session counts say how often a session has each
// template of the core: the templates that nearly all sessions have. Gaps are the times
// between two lines of a session that follow each other. A gap between two services
// counts for both: a service is slow if many of its gaps are longer, by their medians,
// while its neighbours have others that are not. Counting vectors of events is after Xu et al.,
// "Detecting Large-Scale System Problems by Mining Console Logs", SOSP 2009, and
// the review by Landauer et al., "A Critical Review of Common Log Data Sets", 2023.
//
// # Learned state
//
// With a ports.DocumentStore, the analyser keeps what it learned in one document for
// each baseline, and one for all logs: templates, counts, levels and rates by source,
// bounded, compressed JSON after a version byte. Workers save by compare-and-swap
// and merge what others learned meanwhile. A batch that is delivered again is not
// learned again, and is judged as if it had not been.
//
// The same entries and the same documents give the same result.
package builtin
