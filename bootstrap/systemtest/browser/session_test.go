//go:build browser

package browser_test

import (
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"logsift/bootstrap"
	"logsift/domain"
)

// keys makes a file with a key of each role, and returns it with them.
func keys(t *testing.T) (file string, byRole map[string]string) {
	t.Helper()
	file, byRole = filepath.Join(t.TempDir(), "keys.json"), map[string]string{}
	for _, role := range []string{"read", "write", "admin"} {
		_, text, err := bootstrap.CreateAPIKey(file, "the "+role+" key", role, 0)
		require.NoError(t, err)
		byRole[role] = text
	}
	return file, byRole
}

func (tb *tab) signIn(key string) {
	tb.t.Helper()
	tb.shows("h1", "Sign in")
	tb.fill("#sign-in-key", key)
	tb.press(kb.Enter)
}

func TestSignInAndOut(t *testing.T) {
	t.Parallel()
	file, byRole := keys(t)
	w := newWorld(t, withoutWorkers, func(c *bootstrap.Config) { c.Keys = file })
	w.key = byRole["admin"]
	w.add("email.send", `{}`, func(task *domain.Task) { task.Queue = "mail" })
	tb := newTab(t, w.app.URL())
	tb.allow("401") // what is asked for without a session, or with a wrong key
	tb.open("/ui/queues")
	tb.shows("h1", "Sign in")
	tb.fits()
	tb.accessible()
	tb.picture("sign-in")
	require.Empty(t, tb.sent("GET /api/v1/queue/queues"), "nothing is asked for before")

	tb.signIn("no key at all")
	tb.shows("[role=alert]", "does not know this key")
	tb.signIn(byRole["admin"])
	tb.shows("h1", "Queues")
	tb.shows("tbody tr", "mail")
	require.Equal(t, "", eval[string](tb, "document.cookie"), "no script can read the session")
	require.False(t, eval[bool](tb, "JSON.stringify({...localStorage, ...sessionStorage}).includes("+js(byRole["admin"])+")"), "the key is not kept")

	// It lasts when the page is loaded again, and an action works with it.
	tb.open("/ui/queues")
	tb.click("button[aria-label='Pause the queue mail']", "")
	tb.click("dialog[open] button.primary", "Pause")
	tb.shows("tbody tr", "Paused")

	tb.click("button", "Sign out")
	tb.shows("h1", "Sign in")
	tb.open("/ui/tasks")
	tb.shows("h1", "Sign in")
	tb.hides("tbody tr", "")
}

func TestAKeyThatMayOnlyReadIsOfferedNoMore(t *testing.T) {
	t.Parallel()
	file, byRole := keys(t)
	w := newWorld(t, withoutWorkers, func(c *bootstrap.Config) { c.Keys = file })
	w.add("email.send", `{}`, func(task *domain.Task) { task.Queue = "mail" })
	tb := newTab(t, w.app.URL())
	tb.open("/ui/queues")
	tb.signIn(byRole["read"])
	tb.shows("tbody tr", "mail")
	tb.hides("button", "Pause")
	tb.open("/ui/settings")
	tb.shows(".empty", "The settings need the role admin")
	require.Empty(t, tb.sent("GET /api/v1/settings"), "what the role may not do is not tried")
}
