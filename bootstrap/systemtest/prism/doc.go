// Package prism puts Prism, a validating proxy that reads the contract of the API
// on its own, before a whole logsift, and uses the API through it. Prism answers what
// breaks the contract by an error of its own, which fails the test.
//
// The test needs the build tag tools, and Prism as the script .ci/tools installs it.
package prism
