package builtin_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/builtin"
	"logsift/domain"
)

// TestIDsOfManyFormsMakeSessions gives each session an id of a form that logs have,
// beside other numbers, and leaves one line out of one session.
func TestIDsOfManyFormsMakeSessions(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]func(i int) string{
		"a block": func(i int) string { return fmt.Sprintf("blk_-%d", 1_608_999_687_919_862_906+i*7) },
		"a UUID":  func(i int) string { return uuid.NewSHA1(uuid.Nil, fmt.Append(nil, i)).String() },
		"a trace": func(i int) string {
			return strings.ReplaceAll(uuid.NewSHA1(uuid.Max, fmt.Append(nil, i)).String(), "-", "")
		},
		"a request":   func(i int) string { return "req-" + uuid.NewSHA1(uuid.Nil, fmt.Append(nil, i)).String() },
		"a container": func(i int) string { return fmt.Sprintf("container_1445144423722_0020_01_%06d", i) },
		"a number":    func(i int) string { return strconv.Itoa(73_000_000 + i*13) },
	} {
		for form, line := range map[string]string{
			"behind a word": "INFO %s for request %s", "in brackets": "INFO [request: %[2]s] %[1]s", "at the end of a sentence": "INFO %s. It was for %s.", "as a field": `INFO msg="%s" request=%s`,
		} {
			t.Run(name+" "+form, func(t *testing.T) {
				t.Parallel()
				var lines []string
				for i := range 200 {
					for step, what := range []string{"began work", "took the lock", "wrote the record", "let the lock go"} {
						if i == 99 && step == 3 {
							continue
						}
						lines = append(lines, at(time.Duration(i)*time.Second, line, what, id(i)))
					}
				}
				found := ofKind(analyse(t, entries("app", lines...)), domain.AnomalyMissingEvent, "let the lock go")
				require.Len(t, found, 1)
				require.Equal(t, []string{id(99)}, found[0].Sessions)
				require.Len(t, found[0].LogIDs, 3)
			})
		}
	}
}

// TestTheIDsThatMakeSessionsAreChosen gives each session of logs of many sorts an id,
// among threads, processes, ports and addresses, and leaves the last line out of one.
func TestTheIDsThatMakeSessionsAreChosen(t *testing.T) {
	t.Parallel()
	for name, log := range madeUpLogs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log.change = func(i int, steps []step) []step {
				if i == 99 {
					return steps[:len(steps)-1]
				}
				return steps
			}
			r := analyse(t, log.write(300))
			found := ofKind(r, domain.AnomalyMissingEvent, "")
			require.Len(t, found, 1)
			require.Equal(t, []string{log.id(99)}, found[0].Sessions)
			for _, a := range r.Anomalies {
				require.Subset(t, []string{log.id(99)}, a.Sessions, "%s", a.Evidence)
			}
		})
	}
}

// TestWhatServesManyRequestsIsNoSession has requests without an id, and threads,
// processes, ports, hosts, users, dates and sizes as many as there may be.
func TestWhatServesManyRequestsIsNoSession(t *testing.T) {
	t.Parallel()
	for name, format := range map[string]string{
		"threads":   "INFO [http-nio-8080-exec-%04d] ",
		"pools":     "INFO pool-%d-thread-1023 ",
		"processes": "INFO app[%d]: ",
		"pids":      "INFO pid=%d ",
		"ports":     "INFO 10.0.0.7:%d ",
		"a port":    "INFO port %d ",
		"hosts":     "INFO node%05d.example.com ",
		"machines":  "INFO R%04dM1 ",
		"users":     "INFO user=customer%04d ",
		"sizes":     "INFO size=%d000 ",
		"days":      "INFO day 2026%04d ",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(3, 4))
			var lines []string
			for i := range 4000 {
				with := fmt.Sprintf(format, 1000+random.IntN(200))
				for k, what := range []string{"request begins", "token checked", "rows fetched", "request ends"} {
					if k == 3 && i%1000 == 77 {
						what = "ERROR request lost" // an anomaly that would name its session
					}
					lines = append(lines, at(time.Duration(i)*time.Second+time.Duration(k)*time.Millisecond, "%s%s", with, what))
				}
			}
			r := analyse(t, entries("app", lines...))
			require.NotNil(t, find(r, "request lost"))
			for _, a := range r.Anomalies {
				require.Empty(t, a.Sessions, "%s", a.Evidence)
			}
		})
	}
}

// TestSessionsThatVaryAreNotJudgedByTheirCounts has instances that repeat a step as
// often as they live long: their numbers tell nothing, but a rare step does.
func TestSessionsThatVaryAreNotJudgedByTheirCounts(t *testing.T) {
	t.Parallel()
	var lines []string
	bad := map[string]bool{}
	for i := range 1000 {
		id := uuid.NewSHA1(uuid.Nil, fmt.Append(nil, i)).String()
		say := func(format string) { lines = append(lines, at(time.Duration(i)*time.Second, format, id)) }
		say("INFO [instance: %s] claim attempted")
		say("INFO [instance: %s] claim successful")
		life := 1 + (i*i+3*i)%37
		for range life {
			say("INFO [instance: %s] power state synced")
		}
		switch {
		case i%40 == 7:
			bad[id] = true
			say("WARN [instance: %s] base file is unknown")
		case i%50 == 9:
			bad[id] = true
			say("ERROR [instance: %s] network could not be set up")
		}
		say("INFO [instance: %s] terminated")
	}
	found := map[string]bool{}
	a := builtin.New(builtin.Config{MaxLogIDs: 10_000})
	r, err := a.Analyze(t.Context(), domain.AnalysisRequest{TaskID: uuid.New(), Logs: entries("nova", lines...)})
	require.NoError(t, err)
	for _, anomaly := range r.Anomalies {
		require.NotEqual(t, domain.AnomalyCountVector, anomaly.Kind, anomaly.Evidence)
		for _, s := range anomaly.Sessions {
			if anomaly.Severity >= domain.SeverityMedium {
				found[s] = true
			}
		}
	}
	require.Equal(t, bad, found)
}

func TestAPlaceIsNoSession(t *testing.T) {
	t.Parallel()
	var lines []string
	for i := range 3000 {
		lines = append(lines, at(time.Duration(i)*time.Second, "INFO node R%04dM1 is well", i%300))
	}
	lines = append(lines, at(time.Hour, "INFO node R0007M1 was asked twice"))
	for _, a := range analyse(t, entries("rack", lines...)).Anomalies {
		require.Empty(t, a.Sessions, "its lines have no course: %s", a.Evidence)
	}
}

func TestAnomaliesNameNoMoreThanStoresTake(t *testing.T) {
	t.Parallel()
	lines := sessionLines(12_000, func(i int, id string, lines []string) []string {
		if i%100 == 0 {
			return append(lines, at(time.Duration(i)*time.Second, "INFO replica of %s moved elsewhere", id))
		}
		return lines
	})
	found := ofKind(analyse(t, entries("dfs", lines...)), domain.AnomalyRareTemplate, "moved")
	require.Len(t, found, 1)
	require.Equal(t, 120, found[0].Count)
	require.Len(t, found[0].LogIDs, domain.MaxAnomalyLogIDs)
	require.Len(t, found[0].Sessions, domain.MaxAnomalySessions)
}

// TestServicesAreToldApart has lines of Kubernetes pods in one source.
func TestServicesAreToldApart(t *testing.T) {
	t.Parallel()
	pods := []string{"cart-866bd68c97-xcqfx", "web-shop-5dc8d4f9fd-46997"}
	write := func(broken bool) []string {
		var lines []string
		for i := range 2000 {
			level := "INFO"
			if broken && i%2 == 1 && i > 1000 && i < 1100 {
				level = "ERROR"
			}
			what := "served well"
			if level == "ERROR" {
				what = "lost its database"
			}
			lines = append(lines, at(time.Duration(i)*time.Second, "%s %s request %d %s", pods[i%2], level, i, what))
		}
		return lines
	}
	r := judge(t, write(false), entries("cluster.log", write(true)...))
	require.NotEmpty(t, r.Anomalies)
	require.Equal(t, []string{"web-shop"}, r.Anomalies[0].Services)
	for _, a := range r.Anomalies {
		require.False(t, slices.Contains(a.Services, "cart"), "%s: %s", a.Kind, a.Evidence)
	}

	logs := entries("cluster.log", write(true)...)
	for i := range logs {
		logs[i].Attributes = map[string]string{"service.name": fmt.Sprintf("s%d", i%2)}
	}
	require.Equal(t, []string{"s1"}, analyse(t, logs).Anomalies[0].Services, "an attribute says it better")
}

// TestSessionsAreFoundHoweverManyFail has instances of a compute service of which a part
// fails: some with an error, some destroyed before they started, some left half way.
func TestSessionsAreFoundHoweverManyFail(t *testing.T) {
	t.Parallel()
	for _, n := range []int{200, 1000} {
		for _, percent := range []int{0, 1, 4, 10, 30} {
			t.Run(fmt.Sprintf("%d of 100 of %d", percent, n), func(t *testing.T) {
				t.Parallel()
				log := madeUpLogs()["instances of a compute service"]
				bad := map[string]bool{}
				log.change = func(i int, steps []step) []step {
					if i%3 == 1 { // what some do and some do not
						steps = slices.Insert(steps, 5, step{"%[2]d INFO nova.compute.manager [-] [instance: %[1]s] During sync_power_state the instance has a pending task", time.Second})
					}
					if i*37%100 >= percent || i < 10 || i > n-10 {
						return steps
					}
					bad[log.id(i)] = true
					switch i % 3 {
					case 0:
						return slices.Insert(steps[:4], 4, step{"%[2]d ERROR nova.compute.manager [-] [instance: %[1]s] Instance failed to spawn", time.Second})
					case 1:
						return slices.Concat(steps[:3], steps[6:])
					}
					return steps[:4]
				}
				logs := log.write(n)
				r, err := builtin.New(builtin.Config{MaxLogIDs: 100_000}).Analyze(t.Context(), domain.AnalysisRequest{TaskID: uuid.New(), Logs: logs})
				require.NoError(t, err)
				found := map[string]bool{}
				for _, a := range r.Anomalies {
					for _, s := range a.Sessions {
						if a.Severity >= domain.SeverityMedium {
							found[s] = true
						}
					}
				}
				hits := 0
				for s := range found {
					if bad[s] {
						hits++
					}
				}
				if percent == 0 {
					require.Empty(t, found)
					return
				}
				require.NotEmpty(t, bad)
				require.GreaterOrEqual(t, 2*float64(hits)/float64(len(bad)+len(found)), 0.95, "%d found, %d of the %d bad", len(found), hits, len(bad))
			})
		}
	}
}
