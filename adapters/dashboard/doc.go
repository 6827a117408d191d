// Package dashboard serves the web pages of logsift: what the queue does, its
// tasks, the anomalies and logs behind them, workers, queues and settings.
//
// The pages are one HTML document, style sheets and ES modules, written by hand
// and embedded as they are: there is no build step, no framework, and nothing is
// loaded from elsewhere. They show what the HTTP API under /api/v1 answers and
// have no other source of data, so this package knows neither the queue nor the
// API's handlers.
//
// # Paths
//
// [Handler] serves the document at / and at the pages below /ui/, and the other
// files below /ui/assets/. The document asks for them under a path that has the
// hash of all of them in it, where they may be cached for ever. An upgrade changes
// the path, so that no page mixes files of two versions.
//
// # Layout of the modules
//
//	assets/js/main.js        starts the shell
//	assets/js/routes.js      the table of pages; pagePaths in handler.go is the same
//	assets/js/paths.js       paths to tasks, anomalies and filtered lists
//	assets/js/router.js      History API, titles, focus, scroll
//	assets/js/shell.js       navigation, top bar, shortcuts, sign-in
//	assets/js/api.js         requests, problems, the session
//	assets/js/live.js        events with a fallback to polling
//	assets/js/dom.js         elements from text
//	assets/js/format.js      numbers, times and names as people read them
//	assets/js/components/    tables, charts, dialogs and other parts of pages
//	assets/js/pages/         one module for each page
//
// # A page
//
// A page is a module that exports
//
//	mount(root, ctx) → unmount function, nothing, or a promise of either
//
// The router gives it an empty element and calls unmount before the next page. The
// page puts its heading and a skeleton into root before it first waits, so that
// focus finds the heading and nothing jumps. The context has
//
//	ctx.params     the named parts of the path, decoded
//	ctx.query      the URLSearchParams of the location as it is now
//	ctx.state      what is kept for this entry of the history, or {}
//	ctx.signal     an AbortSignal that ends with the page; pass it to requests
//	ctx.setQuery   writes query parameters into the location, see router.js
//	ctx.navigate   goes to another path of the dashboard
//	ctx.watch      keeps a page up to date, see live.js
//	ctx.setTitle   changes the title of the document
//
// # Safety
//
// Everything that comes from the API was written by somebody else. dom.js puts it into
// the document as text only: it makes elements and never parses HTML. A test keeps the
// means to do otherwise out of the files. The handler sets a
// Content-Security-Policy without inline code and without other sites, so styles
// are classes, attributes of SVG, or set through the CSSOM.
package dashboard
