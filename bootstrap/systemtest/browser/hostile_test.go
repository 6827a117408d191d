//go:build browser

package browser_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// hostile are texts that somebody may put wherever text is taken. All but the long
// ones fit into every field.
var hostile = map[string]string{
	"markup": `<img src=x onerror=alert(1)></script><script>alert(2)</script>" onmouseover="alert(3)" ` +
		"${alert(4)} {{alert(4)}} `javascript:alert(5)` <svg onload=alert(6)><style>body{display:none}</style>",
	"escape sequences and directions": "\x1b[31mred\x1b[0m \x1b]8;;http://evil.test\x07link\x1b]8;;\x07 invoice\u202egnp.exe \u2066isolated\u2069 \u200f",
	"other scripts":                   "שלום עולם مرحبا بالعالم 123 👩\u200d👩\u200d👧\u200d👦 𝕬 \U0001f3f4\u200d\u2620\ufe0f",
	"a long word":                     strings.Repeat("x", 10<<10),
	"combining characters":            "Z" + strings.Repeat("\u0301\u0322", 200) + "algo",
}

// short cuts a text to what a field takes, at a character.
func short(text string, limit int) string {
	for len(text) > limit {
		runes := []rune(text)
		text = string(runes[:len(runes)-1-(len(text)-limit)/8])
	}
	return text
}

// seedHostile puts the text into every field that takes it, and returns the task.
func (w *world) seedHostile(text string) domain.TaskID {
	w.t.Helper()
	now := time.Now().UTC()
	id := w.add("hostile.task", fmt.Sprintf(`{"text":%s,%s:1}`, js(text), js(short(text, 1000))), func(t *domain.Task) {
		t.UniqueKey, t.Group, t.GroupAge = short(text, domain.MaxUniqueKey), short(text, domain.MaxKey), time.Millisecond
	})
	w.report(ports.TaskUpdate{Lease: w.claim("hostile.task"), Outcome: ports.OutcomeFailed, Failure: domain.TaskError{
		Reason: domain.ReasonPanic, Message: short(text, domain.MaxErrorMessage), Stack: short(text, domain.MaxErrorStack),
	}})
	entry := domain.LogEntry{
		ID: uuid.Must(uuid.NewV7()), Timestamp: now, Level: domain.LogLevelError, Source: short(text, domain.MaxLogSource), Message: text,
		Attributes: map[string]string{short(text, domain.MaxLogSource): short(text, domain.MaxLogAttribute), "service": short(text, domain.MaxLogAttribute)},
	}
	w.anomalyOf(domain.Anomaly{
		ID: "hostile", Kind: domain.AnomalyNewTemplate, Category: domain.CategorySecurity, Severity: domain.SeverityHigh, Score: 0.5, Confidence: 0.5,
		Template: short(text, domain.MaxAnomalyTemplate), SampleLines: []string{short(text, domain.MaxSampleLine)}, Count: 1, FirstSeen: now, LastSeen: now,
		Services: []string{short(text, domain.MaxLogSource)}, Sessions: []string{short(text, domain.MaxLogSource)},
		Evidence: short(text, 4000), Explanation: short(text, 4000), SuggestedAction: short(text, 4000), Cause: short(text, 200), Source: "llm+local",
	}, entry)
	return id
}

// Whatever text comes in is shown as the text that it is. That nothing of it runs is
// seen to by the tab: a dialog, a report or a request fails the test.
func TestHostileTextIsText(t *testing.T) {
	t.Parallel()
	for name, text := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id := w.seedHostile(text)
			tb := newTab(t, w.app.URL())
			tb.look(view{width: 390, height: 844, phone: true, scheme: "light"})
			has := func(selector, want string) {
				t.Helper()
				tb.await(fmt.Sprintf("[...document.querySelectorAll(%s)].some((el) => el.textContent.includes(%s))", js(selector), js(want)), selector+" should hold the text as it came")
			}

			tb.open("/ui/tasks/" + id.String())
			has("main", short(text, domain.MaxErrorMessage))
			has("main", short(text, domain.MaxErrorStack))
			has("main", short(text, domain.MaxUniqueKey))
			has("main dd", short(text, domain.MaxKey)+" runs with up to 99 others")
			tb.await(fmt.Sprintf("[...document.querySelectorAll('main pre')].some((el) => { try { return JSON.parse(el.textContent).text === %s } catch { return false } })", js(text)), "the payload should read back as it came")
			tb.fits()

			tb.open("/ui/tasks")
			has("tbody tr", short(text, domain.MaxErrorMessage))
			tb.fits()

			tb.open("/ui/logs")
			tb.click(".log-line", "")
			has(".log-detail pre", text)
			has(".attribute dt", short(text, domain.MaxLogSource))
			has(".attribute dd", short(text, domain.MaxLogAttribute))
			has(".log-source", short(text, domain.MaxLogSource))
			tb.fits()

			tb.open("/ui/anomalies")
			has("tbody tr", short(text, domain.MaxAnomalyTemplate))
			tb.fits()

			tb.open("/ui/anomalies/hostile")
			has(".template", short(text, domain.MaxAnomalyTemplate))
			has(".samples", short(text, domain.MaxSampleLine))
			has(".prose", short(text, 4000))
			has(".log-message", short(text, 500))
			has(".chip", short(text, domain.MaxLogSource))
			tb.fits()

			tb.open("/")
			has("main", short(text, domain.MaxErrorMessage))
			has("main", short(text, domain.MaxAnomalyTemplate))
			tb.fits()
			require.Equal(t, "none", eval[string](tb, "document.querySelector('main img, main script, main style') === null ? 'none' : 'parsed'"))
		})
	}
}
