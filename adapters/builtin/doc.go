// Package builtin is the analyser that needs no service: it finds what is
// unusual in log lines by counting, without labels or training.
//
// The lines of each source are looked at by themselves. Package mining finds their
// templates; a template within one service (an attribute, or the Kubernetes
// deployment whose pod a line names) is a shape. Detectors look at shapes, at
// services, and at sessions, and the findings on one subject become one anomaly:
//
//   - new_template: a shape that was never learned
//   - rare_template: few lines, or few sessions, have the shape
//   - frequency_spike, frequency_drop: far more or fewer lines than in the rest of
//     the time, or than was learned
//   - missing_event: a steady line stopped, a learned one is not there, or a session
//     lacks a line that nearly all others have
//   - error_burst: far more errors within a stretch of time
//   - severity_shift: far more of a service's lines are warnings or worse, or a
//     shape has a graver level than was learned
//   - count_vector: a session has the lines of the others in numbers of its own
//   - numeric_outlier: a value far from the others at its place in a shape
//
// Where a line is drawn between usual and unusual, the data says: at the widest gap
// between neighbouring counts, or many robust deviations from the median.
//
// # Sessions
//
// An id that several lines share (of a block, a request, a trace, an instance)
// makes them a session. Of the kinds of id in a log, those that part its lines best
// are chosen. A course is how often a session has each shape of the core, those that
// nearly all sessions have. Counting vectors of events is after Xu et al.,
// "Detecting Large-Scale System Problems by Mining Console Logs", SOSP 2009, and
// the review by Landauer et al., "A Critical Review of Common Log Data Sets", 2023.
//
// # Learned state
//
// With a ports.StateStore, what was learned is kept in one document for each
// baseline, and one for all logs: templates, counts, levels and rates by source,
// bounded, compressed JSON after a version byte. Workers save by compare-and-swap
// and merge what others learned meanwhile. A batch that is delivered again is not
// learned again, and is judged as if it had not been.
//
// The same entries and the same state give the same result.
package builtin
