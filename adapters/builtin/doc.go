// Package builtin is the analyser that needs no service: it finds what is
// unusual in log lines by counting, without labels or training.
//
// The lines of each source are looked at by themselves. Their variable parts are
// masked, and Drain puts lines of one shape together as a template (He et al.,
// "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017).
// Then detectors look at the templates: how severe they call themselves, how
// rare they are, how they are spread over time, and, where the lines of a request
// or block share an id, whether its course is one that others take too. The
// findings on one template become one anomaly.
//
// Nothing is kept between calls, and the same entries give the same result.
package builtin
