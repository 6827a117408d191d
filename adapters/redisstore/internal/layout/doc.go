// Package layout says how logsift's data lies in Redis: keys.go lists the keys,
// the codec files describe the records, and scripts/ holds the Lua scripts that
// change them.
package layout
