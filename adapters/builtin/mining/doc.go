// Package mining finds the templates of log lines: what lines of one statement
// have in common, with a wildcard for each part that varies. There is one
// configuration for all systems.
//
// # How it works
//
// A scanner written by hand goes over a line once and masks what varies by its
// look: numbers with their units, addresses, paths, dates, ids, the name after
// "user", the later fields of objects that are written out, and lists of such
// values. Lines that are masked to the same text have one template. Most
// lines are, and cost one look into a map.
//
// A line that is new in its masked form is compared with the templates of its
// skeleton: those with the same number of words and the same punctuation. Like
// Drain (He et al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree",
// ICWS 2017) this leads to few candidates in a fixed number of steps, and works
// line by line. Unlike Drain it has no threshold of similarity, which merges
// different statements of many words and splits those that begin with a value.
// Two templates stay apart until there is evidence: if several differ at one
// place only, the number of different words there tells whether the place varies
// (Brain, Yu et al., TSC 2023, counts words in such a way, but needs all lines
// first). How many words are needed depends on their look: two words with
// digits are enough, while plain words, states in capitals, and the first word of
// a line need more. See varies. Where several places differ at once, and less than
// what is the same, the number of combinations tells. See index.similar. Templates that
// differ only in how many words are in a run of wildcards are forms of one, since names
// have as many words as they like; so are lists of parts, however long.
//
// # What is promised
//
// The same lines in the same order give the same templates and ids, in every
// process. The id of a template comes from the masked form of its first line, so it
// stays when the template becomes more general. When templates are merged, the oldest
// keeps its id. Each line has one template. Masks may change with a version of this
// package; then ids change.
//
// The number of templates bounds the memory, not the number of lines: when there are
// Config.MaxTemplates, further shapes share one template, the rest. A snapshot
// leaves out what was not seen for the longest time, so that lines of the past do
// not keep new ones out.
package mining
