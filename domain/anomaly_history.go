package domain

import "slices"

// MaxAnomalyFindings is how many findings an [AnomalyHistory] puts together at
// most.
const MaxAnomalyFindings = 1000

// Merge returns two findings of one anomaly put together: entries that both name
// count once, the span covers both, and severity, score and confidence are the
// higher ones. What a person reads (category, template, evidence, explanation,
// action) is a's, and so is Expected, which stands beside one count; where lists have
// to be cut, a's part comes first. Neither a nor b is changed.
func (a Anomaly) Merge(b Anomaly) Anomaly {
	a.Count += b.countBeside(a.LogIDs)
	a.Severity = max(a.Severity, b.Severity)
	a.Score = max(a.Score, b.Score)
	a.Confidence = max(a.Confidence, b.Confidence)
	a.LogIDs = union(a.LogIDs, b.LogIDs, MaxAnomalyLogIDs)
	a.SampleLines = union(a.SampleLines, b.SampleLines, MaxAnomalySamples)
	a.Sessions = union(a.Sessions, b.Sessions, MaxAnomalySessions)
	a.Services = union(a.Services, b.Services, len(a.Services)+len(b.Services))
	slices.Sort(a.Services)
	if !b.FirstSeen.IsZero() && (a.FirstSeen.IsZero() || b.FirstSeen.Before(a.FirstSeen)) {
		a.FirstSeen = b.FirstSeen
	}
	if b.LastSeen.After(a.LastSeen) {
		a.LastSeen = b.LastSeen
	}
	return a
}

// countBeside is how many of the entries are not among these. Where a names a part
// of its entries only, as many of the others are taken to be among them.
func (a Anomaly) countBeside(known []LogID) int {
	if len(a.LogIDs) == 0 {
		return a.Count
	}
	seen := make(map[LogID]struct{}, len(known))
	for _, id := range known {
		seen[id] = struct{}{}
	}
	others := 0
	for _, id := range a.LogIDs {
		if _, twice := seen[id]; !twice {
			others++
		}
	}
	return a.Count * others / len(a.LogIDs)
}

// union returns the first limit different items of both lists, in their order.
func union[T comparable](a, b []T, limit int) []T {
	out := make([]T, 0, min(len(a)+len(b), limit))
	seen := make(map[T]struct{}, cap(out))
	for _, list := range [][]T{a, b} {
		for _, item := range list {
			if _, twice := seen[item]; !twice && len(out) < limit {
				seen[item] = struct{}{}
				out = append(out, item)
			}
		}
	}
	return out
}

// AnomalyHistory is one anomaly over all analyses that found it. The zero value
// is one that none found.
type AnomalyHistory struct {
	// FoundAnomaly is the newest finding, merged with the older ones as
	// [Anomaly.Merge] does; TaskID and FoundAt are the newest's.
	FoundAnomaly
	// TaskIDs are the analyses that found it, the newest first, each once.
	TaskIDs []TaskID
	// Truncated is whether there are more than MaxAnomalyFindings findings: the
	// older ones are not in it.
	Truncated bool
}

// Add puts the next older finding into the history.
func (h *AnomalyHistory) Add(f FoundAnomaly) {
	if len(h.TaskIDs) == 0 {
		h.FoundAnomaly = f
	} else {
		h.Anomaly = h.Merge(f.Anomaly)
	}
	if n := len(h.TaskIDs); n == 0 || h.TaskIDs[n-1] != f.TaskID {
		h.TaskIDs = append(h.TaskIDs, f.TaskID)
	}
}

// AnomalyLogs is one page of the entries behind an anomaly: those of the newest
// finding first, and within one finding the last entry first.
type AnomalyLogs struct {
	Logs []LogEntry
	// Missing is how many of the page's entries are no longer stored.
	Missing int
	// NextCursor continues the list; "" on the last page. Before that a page may
	// be shorter than its limit.
	NextCursor string
}
