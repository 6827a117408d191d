//go:build !mutants

package layout

// mutate is where the build tag mutants breaks a script on purpose.
func mutate(_, text string) string { return text }
