// Package server connects to Redis: it opens, checks and closes connections, runs
// scripts within their time limits, and translates errors.
package server
