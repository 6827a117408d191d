// Package browser opens the dashboard of a whole logsift in a real Chromium and
// uses it as a person would: with the mouse, with the keyboard alone, on a phone, in
// light and in dark.
//
// Each test has a tab of its own. A message of level error on the console, an
// exception, a report of the content security policy, a dialog of the browser, or a
// request to another host fails the test in whose tab it happens, whatever the test
// looks at.
//
// The tests need the build tag browser, and the programs that the script .ci/tools
// installs; a program that is missing fails them. Pictures of the pages are kept
// where LOGSIFT_SCREENSHOTS names a folder, or by go test -artifacts.
package browser
