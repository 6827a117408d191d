//go:build browser

package browser_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// site serves one page with the policy of the dashboard, or with none.
func site(t *testing.T, policy, body string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/favicon.ico" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if policy != "" {
			w.Header().Set("Content-Security-Policy", policy)
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte("<!doctype html><html lang=en><title>a page</title><main><h1>A page</h1>" + body + "</main>"))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// Each rule of the harness is shown to catch what it is there for.
func TestTheHarnessSeesFaults(t *testing.T) {
	t.Parallel()
	const strict = "default-src 'none'; script-src 'self'"
	cases := map[string]struct{ policy, body, want string }{
		"an error on the console":   {"", `<script>console.error('broken', 7)</script>`, `console: "broken" 7`},
		"an exception":              {"", `<script>throw new Error('lost')</script>`, "lost"},
		"a rejection":               {"", `<script>Promise.reject(new Error('forgotten'))</script>`, "forgotten"},
		"a dialog":                  {"", `<script>alert('hello')</script>`, "dialog: hello"},
		"a script that is refused":  {strict, `<img src=x onerror="alert(1)">`, "content security policy: script-src"},
		"a style that is refused":   {strict, `<style>p{}</style>`, "content security policy: style-src"},
		"a request to another host": {"", `<img alt="" src="http://127.0.0.1:9/x.png">`, "request to another host: http://127.0.0.1:9/x.png"},
		"a file that is not there":  {"", `<script src="http://nowhere.test/x.js"></script>`, "nowhere.test"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tb := openTab(t, site(t, c.policy, c.body))
			tb.open("/")
			require.Eventually(t, func() bool { return strings.Contains(strings.Join(tb.wrong(), "\n"), c.want) }, patience, patience/1000,
				"%s should be told", c.want)
			tb.allow("")
			require.Empty(t, tb.wrong(), "what a test allows is no fault")
		})
	}
}

func TestTheHarnessSeesBarriersAndPagesThatAreTooWide(t *testing.T) {
	t.Parallel()
	tb := newTab(t, site(t, "", `<p style="color:#bbb;background:#fff">pale text</p><button></button><div style="width:3000px">wide</div>
		<svg width="100" height="20"><text x="99" y="12" text-anchor="middle">13:45</text><text x="40" y="12" text-anchor="middle">13:30</text></svg>`))
	tb.open("/")
	var ids []string
	for _, f := range tb.axe() {
		ids = append(ids, f.ID+" "+f.Impact)
	}
	require.Subset(t, ids, []string{"color-contrast serious", "button-name critical"})
	require.NotEmpty(t, eval[[]string](tb, "__t.wide()"))
	require.Equal(t, []string{"13:45"}, eval[[]string](tb, "__t.cut()"))

	tb = newTab(t, site(t, "", `<p>fine</p><button>Go</button>`))
	tb.open("/")
	require.Empty(t, eval[[]string](tb, "__t.wide()"))
	tb.accessible()
	tb.fits()
}

func TestTheMouseReachesOnlyWhatIsUncovered(t *testing.T) {
	t.Parallel()
	tb := newTab(t, site(t, "", `<button id=a onclick="document.title='clicked'">Go</button><div id=veil style="position:fixed;inset:0"></div>`))
	tb.open("/")
	require.Empty(t, eval[[]float64](tb, "__t.point('button', 'Go') ?? []"))
	eval[bool](tb, "(document.querySelector('#veil').remove(), true)")
	tb.click("button", "Go")
	tb.await("document.title === 'clicked'", "the click should arrive")
}
