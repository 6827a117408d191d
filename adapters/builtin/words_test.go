package builtin

import (
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/domain"
)

func TestWordsAreReadAsAPersonReadsThem(t *testing.T) {
	t.Parallel()
	const grave, failure, nothing = domain.LogLevelError, domain.LogLevelWarn, domain.LogLevelUnknown
	for template, want := range map[string]domain.LogLevel{
		"panic: runtime error: index out of range":    grave,
		"kernel panic - not syncing":                  grave,
		"java.lang.OutOfMemoryError: Java heap space": grave,
		"fatal: cannot allocate <*>":                  grave,
		"a catastrophic failure of node <*>":          grave,
		"worker <*> crashed":                          grave,
		"write failed: no space left on device":       grave,
		"postgres invoked oom-killer: gfp_mask=<*>":   grave,
		"panicd[<*>]: started":                        nothing,
		"panic[<*>]: started":                         nothing,
		"read /var/log/crash/panic.log":               nothing,
		"crash-reporter is up":                        nothing,
		"panic=<*> quiet":                             nothing,
		"panic handler installed":                     nothing,
		"com.example.FatalHandler is registered":      nothing,
		"bathroom <*> is booked":                      nothing,
		"no crash in <*> days":                        nothing,
		"request failed":                              failure,
		"connection refused by <*>":                   failure,
		"java.io.IOException: broken":                 failure,
		"error: <*>":                                  failure,
		"node <*> fails":                              failure,
		"0 errors":                                    nothing,
		"<*> errors found":                            nothing,
		"no error":                                    nothing,
		"finished with no errors":                     nothing,
		"error=none":                                  nothing,
		"errors: <*>, warnings: <*>":                  nothing,
		"error=<*> took=<*>":                          nothing,
		"open error.log":                              nothing,
		"terror is a film":                            nothing,
		"failover is ready":                           nothing,
		"the error_count is <*>":                      nothing,
		"request timeout=<*> retries=<*>":             nothing,
		"Enabling FPU exception support... done.":     nothing,
		"testing error recovery: OK":                  nothing,
		"the request failed, retry done":              failure,
		"user is logged in":                           nothing,
	} {
		words := readText(template)
		level, claimed := levelOf(&[7]int32{}, template, &words)
		require.Equal(t, want, level, template)
		require.False(t, claimed)
	}
	words := readText("FATAL: password authentication failed for user <*>")
	require.False(t, words.isGrave(true), "the name of the level is no word of its own")
}

func TestQuantitiesAreWrittenAsAPersonSaysThem(t *testing.T) {
	t.Parallel()
	require.Equal(t, "45.2 s", inSeconds.text(45.2))
	require.Equal(t, "1.5 MiB", inBytes.text(1.5*(1<<20)))
	for word, want := range map[string]float64{"ms": 1e-3, "S": 1, "KB": 1024, "apples": 1} {
		_, factor := unitOf(word)
		require.InDelta(t, want, factor, 1e-12, word)
	}
}

func TestTheCategoryIsWhatAPersonWouldSay(t *testing.T) {
	t.Parallel()
	for template, want := range map[string]domain.AnomalyCategory{
		"kernel terminated for reason <*>: bad message header: invalid cpu": domain.CategoryCrash,
		"cpu usage is <*> %": domain.CategoryResource,
		"sshd[<*>]: fatal: Write failed: Connection reset by peer [preauth]":       domain.CategoryNetwork,
		"sshd[<*>]: Received disconnect from <*>: Bye Bye [preauth]":               domain.CategoryNetwork,
		"sshd[<*>]: Invalid user <*> from <*> [preauth]":                           domain.CategoryAuth,
		"FATAL: database \"shop\" does not exist":                                  domain.CategoryConfig,
		"could not connect to the database":                                        domain.CategoryDependency,
		"[client <*>] Directory index forbidden by rule: <*>":                      domain.CategoryConfig,
		"Task: <*> - exited : java.net.NoRouteToHostException: No Route to Host":   domain.CategoryNetwork,
		"reverse mapping checking getaddrinfo failed - POSSIBLE BREAK-IN ATTEMPT!": domain.CategorySecurity,
	} {
		words := readText(template)
		require.Equal(t, want, words.categoryOf(), template)
	}
	require.True(t, isDump("FATAL exception syndrome register: <*>"), "what a register holds is no event")
}
