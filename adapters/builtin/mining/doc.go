// Package mining finds the templates of log lines: what lines of one statement
// have in common, with a wildcard for each part that varies.
package mining
