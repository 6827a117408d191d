//go:build browser

package browser_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"go.uber.org/goleak"
)

const (
	// patience is how long a test waits for what the page does soon.
	patience = 30 * time.Second
	// tabLife bounds a tab, and suiteLife the browser: what hangs ends.
	tabLife   = 4 * time.Minute
	suiteLife = 10 * time.Minute
)

// browser is the context of the one browser of all tests, which open their tabs
// from it. TestMain sets it before any test runs.
var browser context.Context

// TestMain runs the browser for as long as the tests, and fails if a goroutine is
// left after them.
func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), suiteLife) //nolint:forbidigo // TestMain is where a context begins.
	defer cancel()
	profile, err := os.MkdirTemp("", "logsift-browser-")
	if err != nil {
		return failed(err)
	}
	defer os.RemoveAll(profile)
	program, err := chromium()
	if err != nil {
		return failed(err)
	}
	allocator, endAllocator := chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.UserDataDir(profile),
		chromedp.Flag("headless", true), chromedp.Flag("no-sandbox", true), chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-domain-reliability", true), chromedp.Flag("no-proxy-server", true),
		// Names that the tests' hostile strings hold are never looked up.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"))...)
	root, endBrowser := chromedp.NewContext(allocator)
	code := 1
	if err := chromedp.Do(root); err != nil {
		_ = failed(fmt.Errorf("start %s: %w", program, err))
	} else {
		browser = root
		code = m.Run()
	}
	endBrowser()
	endAllocator()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			return failed(err)
		}
	}
	return code
}

func failed(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// chromium finds the browser.
func chromium() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			return found, nil
		}
	}
	return "", errors.New("there is no Chromium: install what the tests need with sh .ci/tools")
}

// toolPath returns the path of a file among the tools of .ci/tools.
func toolPath(name string) string {
	dir := os.Getenv("LOGSIFT_TOOLS")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			home = "."
		}
		dir = filepath.Join(home, ".cache", "logsift-tools")
	}
	return filepath.Join(dir, name)
}

// view is how a page is looked at.
type view struct {
	name          string
	width, height int64
	phone         bool
	scheme        string // light or dark
}

// desktop is what a tab has unless a test changes it.
var desktop = view{name: "desktop-light", width: 1280, height: 800, scheme: "light"}

// views are those that each page must work in.
var views = []view{
	desktop,
	{name: "desktop-dark", width: 1280, height: 800, scheme: "dark"},
	{name: "phone-light", width: 390, height: 844, phone: true, scheme: "light"},
	{name: "phone-dark", width: 390, height: 844, phone: true, scheme: "dark"},
}
