package builtin_test

import (
	"fmt"
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

// outage makes n lines from a time on, one a second, of which a part in a hundred are
// errors: spread evenly, or all in one stretch.
func outage(n, percent int, spread bool, from time.Duration) []string {
	out := make([]string, n)
	for i := range out {
		bad := i >= n/2 && i < n/2+n*percent/100 || i < n/2+n*percent/100-n
		if spread {
			bad = i*percent/100 != (i+1)*percent/100
		}
		text := fmt.Sprintf("INFO request %d served in %d ms", i, 20+i%17)
		if bad {
			text = fmt.Sprintf("ERROR request %d could not reach the ledger", i)
		}
		out[i] = at(from+time.Duration(i)*time.Second, "%s", text)
	}
	return out
}

// shares are the parts of an outage, in a hundred, in rising order.
var shares = []int{3, 10, 40, 100}

func TestSeverityDoesNotFallAsTheOutageGrows(t *testing.T) {
	t.Parallel()
	good := outage(1000, 0, true, 0)
	for _, spread := range []bool{true, false} {
		least := domain.SeverityMedium
		for _, percent := range shares {
			r := analyse(t, entries("app", outage(1000, percent, spread, 0)...))
			require.GreaterOrEqual(t, r.Severity, least, "%d %% alone, spread %v: %v", percent, spread, r.Anomalies)
			least = r.Severity

			r = judge(t, good, entries("app", outage(1000, percent, spread, 0)...))
			require.GreaterOrEqual(t, r.Severity, domain.SeverityHigh, "%d %% against a good baseline", percent)

			some := judge(t, outage(1000, 1, true, 0), entries("app", outage(1000, percent, spread, 0)...))
			if percent > 3 {
				require.GreaterOrEqual(t, some.Severity, domain.SeverityHigh, "%d %% against a baseline with few of these errors", percent)
			}
		}
	}
}

func TestAnOutageDoesNotBecomeItsOwnBaseline(t *testing.T) {
	t.Parallel()
	for _, percent := range shares {
		for _, good := range []int{0, 5} {
			a := worker(newStates())
			for i := range good {
				batch(t, a, strconv.Itoa(i), outage(500, 0, true, time.Duration(i*500)*time.Second))
			}
			least := domain.SeverityMedium
			if good > 0 {
				least = domain.SeverityHigh
			}
			for i := good; i < good+20; i++ {
				r := batch(t, a, strconv.Itoa(i), outage(500, percent, true, time.Duration(i*500)*time.Second))
				require.GreaterOrEqual(t, r.Severity, least, "%d %%, batch %d after %d good ones: %v", percent, i, good, r.Anomalies)
			}
		}
	}
}

func TestWhatLastsBecomesNormal(t *testing.T) {
	t.Parallel()
	a := builtin.New(builtin.Config{Documents: newStates(), NormalAfter: 24 * time.Hour})
	var r domain.AnalysisResult
	for hour := range 30 {
		r = batch(t, a, strconv.Itoa(hour), outage(500, 10, true, time.Duration(hour)*time.Hour))
		if hour > 0 && hour < 23 {
			require.GreaterOrEqual(t, r.Severity, domain.SeverityMedium, "hour %d", hour)
		}
	}
	require.Less(t, r.Severity, domain.SeverityMedium, "%v", r.Anomalies)
	r = batch(t, a, "more", outage(500, 100, true, 30*time.Hour))
	require.GreaterOrEqual(t, r.Severity, domain.SeverityHigh, "more of it is not")
}

func TestAnAllErrorLogIsOneAnomaly(t *testing.T) {
	t.Parallel()
	r := analyse(t, entries("app", outage(300, 100, true, 0)...))
	require.Len(t, r.Anomalies, 1)
	require.GreaterOrEqual(t, r.Severity, domain.SeverityMedium)
	require.Contains(t, r.Anomalies[0].Evidence, "300 of 300 lines are errors")
}

func TestNothingIsMoreThanUsualWhereItIsLess(t *testing.T) {
	t.Parallel()
	a := builtin.New(builtin.Config{Documents: newStates()})
	learn := domain.AnalysisRequest{TaskID: uuid.New(), Baseline: "b", Learn: true, Logs: entries("app", outage(1000, 90, true, 0)...)}
	_, err := a.Analyze(t.Context(), learn)
	require.NoError(t, err)
	r, err := a.Analyze(t.Context(), domain.AnalysisRequest{TaskID: uuid.New(), Baseline: "b", Logs: entries("app", outage(1000, 30, true, 0)...)})
	require.NoError(t, err)
	for _, anomaly := range r.Anomalies {
		if anomaly.Kind == domain.AnomalyErrorBurst || anomaly.Kind == domain.AnomalyFrequencySpike {
			require.Greater(t, float64(anomaly.Count), anomaly.Expected, anomaly.Evidence)
		}
	}
}

func TestALineThatFallsOffIsFoundOverManyBatches(t *testing.T) {
	t.Parallel()
	a := worker(newStates())
	var found []domain.Anomaly
	for i := range 600 { // of two seconds each
		from := time.Duration(i) * 2 * time.Second
		lines := []string{at(from, "INFO request %d served", i), at(from+time.Second, "INFO request %d served", i+1), at(from, "INFO order %d is paid", i)}
		if i >= 400 && i%4 != 0 {
			lines = lines[:2]
		}
		for _, anomaly := range batch(t, a, strconv.Itoa(i), lines).Anomalies {
			require.GreaterOrEqual(t, i, 400, "%+v", anomaly)
			found = append(found, anomaly)
		}
	}
	require.NotEmpty(t, found)
	require.Equal(t, domain.AnomalyFrequencyDrop, found[0].Kind)
	require.Contains(t, found[0].Template, "is paid")
	ids := map[string]bool{}
	for _, anomaly := range found {
		ids[anomaly.ID] = true
	}
	require.Len(t, ids, 1, "one anomaly in all batches")
}

func TestASourceThatGoesSilentIsTold(t *testing.T) {
	t.Parallel()
	t.Run("in one request", func(t *testing.T) {
		t.Parallel()
		lines := service(nil)
		r := analyse(t, append(entries("web", lines...), entries("db", lines[:len(lines)/2]...)...))
		require.Len(t, r.Anomalies, 1, "%v", r.Anomalies)
		require.Equal(t, []string{"db"}, r.Anomalies[0].Services)
		require.Contains(t, r.Anomalies[0].Evidence, "no line of db for 30 min")
	})
	t.Run("over batches", func(t *testing.T) {
		t.Parallel()
		a := worker(newStates())
		told := 0
		for minute := range 60 {
			logs := entries("web", at(time.Duration(minute)*time.Minute, "INFO request served"))
			if minute < 30 || minute > 50 {
				logs = append(logs, entries("db", at(time.Duration(minute)*time.Minute, "INFO query done"))...)
			}
			for i := range logs {
				logs[i].ReceivedAt = time.Date(2026, 5, 1, 8, minute, 0, 0, time.UTC)
			}
			r, err := a.Analyze(t.Context(), domain.AnalysisRequest{TaskID: taskID(strconv.Itoa(minute)), Logs: logs})
			require.NoError(t, err)
			for _, anomaly := range r.Anomalies {
				told++
				require.Equal(t, domain.AnomalyMissingEvent, anomaly.Kind)
				require.Equal(t, "no line of db for 5 min; its longest pause before was 1 min", anomaly.Evidence)
			}
		}
		require.Equal(t, 1, told, "once")
	})
}

func TestTheLinesOfOneEventAreOneAnomaly(t *testing.T) {
	t.Parallel()
	lines := service(func(second int, line string) string {
		if second%900 == 450 && strings.Contains(line, "served") {
			return strings.Join([]string{
				line, at(time.Duration(second)*time.Second, "ERROR payment was declined"), at(time.Duration(second)*time.Second, "ERROR rollback of the basket follows"),
				at(time.Duration(second)*time.Second, "WARN customer is informed"),
			}, "\n")
		}
		return line
	})
	r := analyse(t, entries("app", slices.Collect(splitLines(lines))...))
	require.Len(t, r.Anomalies, 1)
	require.Contains(t, r.Anomalies[0].Evidence, "with it: ERROR rollback of the basket follows (4 lines)")
	require.Contains(t, r.Anomalies[0].Evidence, "with it: WARN customer is informed (4 lines)")
}

// normalDay makes n lines of a service in which errors of several kinds are habit: one in
// so many of each.
func normalDay(n int, from time.Duration, every map[string]int) []string {
	out := outage(n, 0, true, from)
	for text, every := range every {
		for i := every / 2; i < n; i += every {
			out[i+len(text)%7] = at(from+time.Duration(i+len(text)%7)*time.Second, "%s", text)
		}
	}
	return out
}

// habitual are errors that a service has always had.
var habitual = map[string]int{
	"ERROR cannot render the old invoice": 250, "ERROR refund was rejected by the bank": 300, "ERROR mail to the customer bounced": 400, "WARN cache is cold": 90,
}

func TestErrorsOfWhichNothingIsKnownAreOneAnomaly(t *testing.T) {
	t.Parallel()
	a := worker(newStates())
	ids := map[string]bool{}
	for i := range 3 {
		for _, anomaly := range batch(t, a, strconv.Itoa(i), normalDay(1000, time.Duration(i*1000)*time.Second, habitual)).Anomalies {
			if anomaly.Severity >= domain.SeverityMedium {
				require.Contains(t, anomaly.Evidence, "9 of 1000 lines are errors of 3 kinds")
				require.Equal(t, 9, anomaly.Count)
				require.Len(t, anomaly.LogIDs, 9)
				ids[anomaly.ID] = true
			}
		}
	}
	require.Len(t, ids, 1, "and of the first batch only")
}

func TestOneMoreKindOfErrorIsNoNewsWhereTheyAreHabit(t *testing.T) {
	t.Parallel()
	stray := at(500*time.Second, "ERROR voucher 7 has expired already")
	worst := func(normal, lines []string) domain.Severity {
		return judge(t, normal, entries("app", lines...)).Severity
	}
	day := func(n int) []string { return normalDay(n, 0, habitual) }
	require.Less(t, worst(day(1000), append(day(1000), stray)), domain.SeverityMedium)
	require.Equal(t, domain.SeverityHigh, worst(outage(1000, 0, true, 0), append(day(1000), stray)), "no errors were known")
	require.Equal(t, domain.SeverityHigh, worst(day(1000), append(day(1000), stray, stray, stray)), "three times is no accident")
	require.Equal(t, domain.SeverityHigh, worst(day(100_000), append(day(1000), stray)), "a long history would have had it")
	require.Equal(t, domain.SeverityHigh, worst(day(1000), append(day(1000), at(500*time.Second, "ERROR journal is corrupt"))), "grave")
	least := domain.SeverityHigh
	for _, percent := range shares {
		lines := normalDay(1000, 0, habitual)
		for i, line := range outage(1000, percent, true, 0) {
			if strings.Contains(line, "ERROR") {
				lines[i] = line
			}
		}
		now := worst(day(1000), lines)
		require.GreaterOrEqual(t, now, least, "%d %%", percent)
		least = now
	}
}

func TestErrorsThatWereThereFromTheBeginningAreNoShift(t *testing.T) {
	t.Parallel()
	a := worker(newStates())
	for i := range 3 {
		r := batch(t, a, strconv.Itoa(i), outage(1000, 30, true, time.Duration(i*1000)*time.Second))
		require.Empty(t, ofKind(r, domain.AnomalySeverityShift, ""), "batch %d", i)
		require.GreaterOrEqual(t, r.Severity, domain.SeverityMedium, "but still errors")
	}
}

func TestAFewMoreSessionsThatFailAreAsUsual(t *testing.T) {
	t.Parallel()
	failing := func(n int) []string {
		return sessionLines(500, func(i int, id string, lines []string) []string {
			if i*n/500 != (i+1)*n/500 {
				return append(lines, at(time.Duration(i)*time.Second, "ERROR mirror of %s was refused", id))
			}
			return lines
		})
	}
	require.Less(t, judge(t, failing(20), entries("app", failing(62)...)).Severity, domain.SeverityMedium)
	require.GreaterOrEqual(t, judge(t, failing(20), entries("app", failing(200)...)).Severity, domain.SeverityMedium)
}

func TestWhatNoLongerWorksIsGraveTheMoreOftenItIsTold(t *testing.T) {
	t.Parallel()
	for _, broken := range []string{"adapter 0 is dead, resetting", "cooling unit 3 is not running", "page 0x12 has an uncorrectable error", "rejecting I/O to offline device"} {
		least := domain.SeverityMedium
		for _, percent := range append([]int{1}, shares...) {
			lines := make([]string, 500)
			for i := range lines {
				lines[i] = fmt.Sprintf("May  1 08:%02d:%02d node%d kernel: eth0 is up, queue %d", i/60, i%60, i%90, i%4)
				if i*percent/100 != (i+1)*percent/100 {
					lines[i] = fmt.Sprintf("May  1 08:%02d:%02d node7 kernel: %s", i/60, i%60, broken)
				}
			}
			r := analyse(t, entries("cluster", lines...))
			require.GreaterOrEqual(t, r.Severity, least, "%s, %d %%: %v", broken, percent, r.Anomalies)
			if least = r.Severity; percent >= 3 {
				require.GreaterOrEqual(t, least, domain.SeverityHigh, "%s, %d %%", broken, percent)
			}
		}
	}
}

func TestWordsThatAreAlsoSaidOfRowsAndLettersAreNotGrave(t *testing.T) {
	t.Parallel()
	for _, usual := range []string{
		"pool cleaner removed %d dead connections", "vacuum of table orders: %d dead rows", "dead letter queue has %d messages", "scheduled critical pod kube-proxy-%d",
	} {
		lines := make([]string, 0, 512)
		for i := range 500 {
			lines = append(lines, at(time.Duration(10*i)*time.Second, "request %d served in %d ms", i, i*7%40))
			if i%40 == 20 {
				lines = append(lines, at(time.Duration(10*i+1)*time.Second, usual, i*3%17))
			}
		}
		require.Less(t, analyse(t, entries("app", lines...)).Severity, domain.SeverityMedium, usual)
	}
}
