//go:build mutants

package layout

import (
	"fmt"
	"os"
	"strings"
)

// mutantEnv is the environment variable that names the mutant to be.
const mutantEnv = "LOGSIFT_MUTANT"

// mutant is a small fault in one script, as a program could have it: a piece of
// its text, replaced by another.
type mutant struct{ script, old, new string }

// mutants prove that the history checker of bootstrap/systemtest/chaos finds such faults.
var mutants = map[string]mutant{
	// A report is accepted whoever holds the task.
	"no_fence": {
		"queue/update", `sub(s, 27, 44) == sub(head, 17, 34) and byte(s, 1) % 8`, `byte(s, 1) % 8`,
	},
	// The reaper takes back whatever is claimed, as one does that has looked before
	// and does not look again at whether the lease has ended.
	"reap_held": {
		"queue/reap", `redis.call('ZRANGEBYSCORE', K.active, '-inf', digits(now),`, `redis.call('ZRANGEBYSCORE', K.active, '-inf', '+inf',`,
	},
	// A claim pops tasks, and nothing remembers when its lease ends.
	"no_lease": {
		"queue/claim", `  call_many('ZADD', K.active, leases)`, ``,
	},
	// A claim whose reply was lost takes other tasks when it is repeated.
	"claim_again": {
		"queue/claim", `local before = redis.call('GET', K.claim)`, `local before = nil`,
	},
	// The purge removes what has finished once, whatever has become of it since.
	"purge_any": {
		"queue/purge", `if t and lists[t.status] and t.finished == ends[i] then
    gone[#gone + 1] = ids[i]
    local list = lists[t.status]`, `if t then
    gone[#gone + 1] = ids[i]
    local list = lists[t.status] or lists[COMPLETED]`,
	},
	// A report is accepted by the number of its delivery alone, which is given out again
	// after Redis went back to an older copy of its data.
	"fence_number": {
		"queue/update", `sub(s, 27, 44) == sub(head, 17, 34)`, `sub(s, 27, 28) == sub(head, 17, 18)`,
	},
	// The table of the queues keeps its epoch when it changes, so that nobody notices.
	"same_epoch": {
		"queue/table", `  epoch = ARGV[1]
`, `  epoch = known[1] or ARGV[1]
`,
	},
	// An attempt is not counted, so that retries never end.
	"no_attempt": {
		"queue/update", `math.min(byte(s, 4) + 1, 255)`, `byte(s, 4)`,
	},
}

// mutate applies the mutant that the environment names, if it is one of this
// script.
func mutate(name, text string) string {
	chosen := os.Getenv(mutantEnv)
	m, ok := mutants[chosen]
	if !ok && chosen != "" {
		panic(fmt.Sprintf("layout: there is no mutant %q", chosen))
	}
	if m.script != name {
		return text
	}
	if n := strings.Count(text, m.old); n != 1 {
		panic(fmt.Sprintf("layout: the text of mutant %q is %d times in script %s, it must be once", chosen, n, name))
	}
	return strings.Replace(text, m.old, m.new, 1)
}
