//go:build browser

package browser_test

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// helperJS gives every document the object __t, by which tests find elements, and
// reports what the content security policy refuses.
//
//go:embed testdata/helper.js
var helperJS string

// tab is one tab with cookies and storage of its own. It belongs to one test.
type tab struct {
	t    *testing.T
	ctx  context.Context //nolint:containedctx // chromedp keeps the tab itself in its context.
	base string

	mu       sync.Mutex // guards the rest, which the browser's events change
	faults   []string
	allowed  []string
	requests []string
}

// newTab opens a tab on the site at base. The test fails at its end if anything
// went wrong in the tab that it did not allow.
func newTab(t *testing.T, base string) *tab {
	t.Helper()
	tb := openTab(t, base)
	t.Cleanup(func() { require.Empty(t, tb.wrong(), "what went wrong in the tab") })
	return tb
}

// openTab opens a tab whose faults nobody looks at.
func openTab(t *testing.T, base string) *tab {
	t.Helper()
	tb := &tab{t: t, base: base}
	bounded, cancel := context.WithTimeout(browser, tabLife)
	ctx, end := chromedp.NewContext(bounded, chromedp.WithNewBrowserContext(), chromedp.WithListener(tb.hear))
	t.Cleanup(func() { end(); cancel() })
	tb.ctx = ctx
	require.NoError(t, chromedp.Do(ctx, tb.prepare))
	tb.look(desktop)
	return tb
}

func (tb *tab) prepare(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
	none := chromedp.Void{}
	if _, err := cdp.Call(ctx, t, runtime.AddBinding, runtime.AddBindingParams{Name: "__violation"}); err != nil {
		return none, err
	}
	if _, err := cdp.Call(ctx, t, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}); err != nil {
		return none, err
	}
	_, err := cdp.Call(ctx, t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: helperJS})
	return none, err
}

// hear notes what a tab reports. It runs in the goroutine that reads the browser's
// messages.
func (tb *tab) hear(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		tb.fault("exception: " + text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "assert" {
			var text []string
			for _, arg := range e.Args {
				text = append(text, string(arg.Value)+arg.Description)
			}
			tb.fault("console: " + strings.Join(text, " "))
		}
	case *runtime.EventBindingCalled:
		if e.Name == "__violation" {
			tb.fault("content security policy: " + e.Payload)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" || e.Entry.Source == "security" {
			tb.fault(fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *page.EventJavascriptDialogOpening:
		tb.fault("dialog: " + e.Message)
		// The page stands still until the dialog is gone, and this goroutine must
		// not wait.
		go func() {
			_, _ = chromedp.Call(tb.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{})
		}()
	case *network.EventRequestWillBeSent:
		tb.request(e.Request)
	}
}

func (tb *tab) request(r *network.Request) {
	u, err := url.Parse(r.URL)
	if err != nil || u.Scheme != "data" && u.Scheme != "blob" && u.Scheme != "about" && u.Scheme+"://"+u.Host != tb.base {
		tb.fault("request to another host: " + r.URL)
		return
	}
	tb.mu.Lock()
	defer tb.mu.Unlock()
	tb.requests = append(tb.requests, r.Method+" "+u.RequestURI())
}

func (tb *tab) fault(text string) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	tb.faults = append(tb.faults, text)
}

// allow has faults with this text be none: those that a test brings about.
func (tb *tab) allow(text string) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	tb.allowed = append(tb.allowed, text)
}

// wrong returns what went wrong.
func (tb *tab) wrong() []string {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	var out []string
	for _, f := range tb.faults {
		expected := false
		for _, a := range tb.allowed {
			expected = expected || strings.Contains(f, a)
		}
		if !expected {
			out = append(out, f)
		}
	}
	return out
}

// sent returns the requests so far whose method and path begin so.
func (tb *tab) sent(prefix string) []string {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	var out []string
	for _, r := range tb.requests {
		if strings.HasPrefix(r, prefix) {
			out = append(out, r)
		}
	}
	return out
}

// look sets the size of the window and the scheme of colours.
func (tb *tab) look(v view) {
	tb.t.Helper()
	_, err := chromedp.Call(tb.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: v.width, Height: v.height, DeviceScaleFactor: 1, Mobile: v.phone,
	})
	require.NoError(tb.t, err)
	// Without motion, what is looked at stands still.
	_, err = chromedp.Call(tb.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: v.scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	require.NoError(tb.t, err)
}

// open loads a page of the site.
func (tb *tab) open(path string) {
	tb.t.Helper()
	require.NoError(tb.t, chromedp.Do(tb.ctx, chromedp.Navigate(tb.base+path)), path)
}

// js gives a value to a script.
func js(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // the tests give strings
	}
	return string(raw)
}

// eval returns the value of an expression, which may be a promise.
func eval[T any](tb *tab, expression string) T {
	tb.t.Helper()
	v, err := chromedp.Run(tb.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(tb.t, err, "%.500s", expression)
	return v
}

// await waits until an expression is true; the document may change meanwhile.
func (tb *tab) await(expression, why string) {
	tb.t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := chromedp.Run(tb.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err == nil && ok {
			return
		}
		require.NoError(tb.t, tb.ctx.Err(), why)
		if time.Now().After(deadline) {
			tb.picture("failed")
			require.Fail(tb.t, why, "%s is not true (%v)\nfaults: %s\n%s", expression, err, strings.Join(tb.wrong(), "\n"), tb.text())
		}
		<-tick.C
	}
}

// text is what the page shows, for messages.
func (tb *tab) text() string {
	text, err := chromedp.Run(tb.ctx, chromedp.Evaluate[string]("location.href + '\\n' + document.body.innerText.slice(0, 4000)"))
	if err != nil {
		return err.Error()
	}
	return text
}

// shows waits until a visible element of the selector has the text as a part.
func (tb *tab) shows(selector, text string) {
	tb.t.Helper()
	tb.await(fmt.Sprintf("__t.find(%s, %s)", js(selector), js(text)), fmt.Sprintf("%s should show %q", selector, text))
}

// hides waits until no visible element of the selector has the text.
func (tb *tab) hides(selector, text string) {
	tb.t.Helper()
	tb.await(fmt.Sprintf("!__t.find(%s, %s)", js(selector), js(text)), fmt.Sprintf("%s should not show %q", selector, text))
}

// click moves the mouse to the first visible element of the selector with the
// text and clicks. An element that something else covers cannot be clicked.
func (tb *tab) click(selector, text string) {
	tb.t.Helper()
	at := fmt.Sprintf("__t.point(%s, %s)", js(selector), js(text))
	tb.await(at, fmt.Sprintf("%s with %q should be there to click", selector, text))
	p := eval[[]float64](tb, at)
	require.NoError(tb.t, chromedp.Do(tb.ctx, chromedp.MouseClickXY(p[0], p[1])))
}

// press types keys to what has the focus.
func (tb *tab) press(keys string, opts ...chromedp.KeyOption) {
	tb.t.Helper()
	require.NoError(tb.t, chromedp.Do(tb.ctx, chromedp.KeyEvent(keys, opts...)))
}

// fill replaces what is in a field, by mouse and keyboard.
func (tb *tab) fill(selector, text string) {
	tb.t.Helper()
	tb.click(selector, "")
	eval[bool](tb, "(document.activeElement.select?.(), true)")
	tb.press(text)
}

// choose sets a select element as its list does.
func (tb *tab) choose(selector, value string) {
	tb.t.Helper()
	tb.await(fmt.Sprintf("__t.choose(%s, %s)", js(selector), js(value)), fmt.Sprintf("%s should offer %q", selector, value))
}

// fits fails if the page is wider than the window, or a text than its drawing.
func (tb *tab) fits() {
	tb.t.Helper()
	wide := eval[[]string](tb, "__t.wide()")
	if len(wide) > 0 {
		tb.picture("wide")
	}
	require.Empty(tb.t, wide, "elements reach out of the window at %s", eval[string](tb, "location.pathname"))
	require.Empty(tb.t, eval[[]string](tb, "__t.cut()"), "texts are cut off at %s", eval[string](tb, "location.pathname"))
}

// picture keeps a picture of the window.
func (tb *tab) picture(name string) {
	tb.t.Helper()
	dir := os.Getenv("LOGSIFT_SCREENSHOTS")
	if dir == "" {
		dir = tb.t.ArtifactDir()
	}
	quick := true
	shot, err := chromedp.Call(tb.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{OptimizeForSpeed: &quick})
	require.NoError(tb.t, err)
	name = strings.ReplaceAll(tb.t.Name(), "/", "-") + "-" + name + ".png"
	require.NoError(tb.t, os.MkdirAll(dir, 0o755))
	require.NoError(tb.t, os.WriteFile(filepath.Join(dir, name), shot.Data, 0o600))
}
