package bootstrap_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// module is the path of this module; make module changes it.
const module = "logsift"

// rule says what the production files of a room may use. The rooms and their
// rules are the table of the README's section Architecture. A folder without a
// rule fails the test: decide where it belongs before adding one.
type rule struct {
	// room is a folder, "." that of the module; "adapters/*" stands for each adapter with its own
	// subpackages. The longest match counts.
	room string
	// ours are the rooms of this module that it may import; "self" stands for
	// its own subpackages.
	ours []string
	// libs are the modules it may import, by prefix; "*" for any.
	libs []string
	// never are standard packages it may not import, by path or prefix with a
	// slash at the end.
	never []string
	// calls are functions it may not use, as package.Name.
	calls []string
	// tests is whether the room is test support: it may import testing, and no
	// production file may import it.
	tests bool
}

// impure and impureCalls are what the rules of logsift must not use.
var (
	impure      = []string{"context", "io", "io/", "net", "net/", "os", "os/", "sync", "sync/", "math/rand", "math/rand/"}
	impureCalls = []string{"time.Now", "time.Since", "time.Until", "time.After", "time.Sleep", "uuid.New", "uuid.NewString", "uuid.NewRandom", "uuid.NewV7", "uuid.NewUUID", "uuid.Must"}
)

var rules = []rule{
	{room: "domain", libs: []string{"github.com/google/uuid", "github.com/robfig/cron/v3"}, never: impure, calls: impureCalls},
	{room: "domain/logline", ours: []string{"domain"}, never: impure, calls: impureCalls},
	{room: "ports", ours: []string{"domain"}},
	{room: "ports/portstest", ours: []string{"domain", "ports"}, libs: []string{"github.com/stretchr/testify", "github.com/google/uuid", "pgregory.net/rapid"}, tests: true},
	{
		room: "application", ours: []string{"domain", "ports"},
		libs:  []string{"go.uber.org/zap", "github.com/google/uuid"},
		never: []string{"net/http", "database/sql", "os", "os/"},
	},
	{
		room: "application/bench", ours: []string{"domain", "ports"},
		libs:  []string{"github.com/google/uuid"},
		never: []string{"net/http", "database/sql", "os", "os/"},
	},
	{room: "application/observe", ours: []string{"domain", "ports"}},
	{room: "application/queuetest", ours: []string{"domain", "ports", "adapters/memstore"}, tests: true},
	{room: ".", ours: []string{"domain", "ports", "application"}, libs: []string{"github.com/google/uuid"}, never: []string{"net", "net/", "database/sql"}},
	{room: "adapters/*", ours: []string{"domain", "domain/logline", "ports", "self"}, libs: []string{"*"}},
	{room: "adapters/openai/redact", libs: []string{"golang.org/x/text/unicode/norm"}, never: []string{"net", "net/http", "os", "os/", "time"}},
	{room: "adapters/openai/redact/redacttest", tests: true},
	{room: "adapters/redisstore/internal/layout", ours: []string{"domain"}, libs: []string{"github.com/google/uuid", "github.com/redis/go-redis/v9"}, never: []string{"net", "net/", "context", "sync"}},
	{room: "adapters/redisstore/internal/server", ours: []string{"domain", "ports", "adapters/redisstore/internal/layout"}, libs: []string{"github.com/redis/go-redis/v9"}},
	{room: "adapters/redisstore/internal/storetest", ours: []string{"domain", "ports", "adapters/redisstore", "adapters/redisstore/redistest"}, libs: []string{"*"}, tests: true},
	{room: "adapters/redisstore/redisbench", ours: []string{"adapters/redisstore/internal/server"}, libs: []string{"github.com/redis/go-redis/v9"}},
	{room: "adapters/redisstore/redistest", libs: []string{"github.com/stretchr/testify", "github.com/google/uuid", "go.uber.org/goleak"}, tests: true},
	// Within adapters/httpapi, imports run wire → problem → request → {auth, ingest, server} → httpapi.
	{room: "adapters/httpapi/reload"},
	{room: "adapters/httpapi/apikey", ours: []string{"domain", "ports", "adapters/httpapi/reload"}, libs: []string{"go.yaml.in/yaml/v3"}},
	{room: "adapters/httpapi/wire", libs: []string{"github.com/google/uuid"}},
	{room: "adapters/httpapi/problem", ours: []string{"domain", "adapters/httpapi/wire"}, libs: []string{"go.uber.org/zap"}},
	{room: "adapters/httpapi/request", ours: []string{"domain", "adapters/httpapi/wire", "adapters/httpapi/apikey", "adapters/httpapi/problem"}, libs: []string{"github.com/klauspost/compress", "github.com/go-json-experiment/json"}},
	{room: "adapters/httpapi/auth", ours: []string{"domain", "adapters/httpapi/wire", "adapters/httpapi/apikey", "adapters/httpapi/problem", "adapters/httpapi/request"}, libs: []string{"github.com/google/uuid", "go.uber.org/zap"}},
	{room: "adapters/httpapi/ingest", ours: []string{"domain", "domain/logline", "adapters/httpapi/wire", "adapters/httpapi/problem", "adapters/httpapi/request"}, libs: []string{"github.com/google/uuid", "github.com/go-json-experiment/json", "google.golang.org/protobuf/encoding/protowire", "go.uber.org/zap"}},
	{room: "adapters/httpapi/server", ours: []string{"domain", "adapters/httpapi/request", "adapters/httpapi/reload"}, libs: []string{"go.uber.org/zap"}},
	{room: "adapters/redisstore/verify", ours: []string{"domain", "ports", "adapters/redisstore/internal/*"}, libs: []string{"github.com/google/uuid", "github.com/redis/go-redis/v9"}},
	{room: "adapters/httpapi/openapi", ours: []string{"domain", "adapters/httpapi/wire", "adapters/httpapi/apikey", "adapters/httpapi/problem"}, libs: []string{"go.yaml.in/yaml/v3", "github.com/go-json-experiment/json"}},
	{room: "adapters/httpapi/apitest", ours: []string{"domain", "ports", "adapters/httpapi", "adapters/httpapi/*", "adapters/httpapi/openapitest", "adapters/memstore"}, libs: []string{"*"}, tests: true},
	{room: "adapters/httpapi/openapitest", ours: []string{"adapters/httpapi", "self"}, libs: []string{"*"}, tests: true},
	{room: "bootstrap", ours: []string{"domain", "domain/logline", "ports", "application", "application/bench", "application/observe", "adapters/*"}, libs: []string{"go.uber.org/fx", "go.uber.org/dig", "go.uber.org/zap", "github.com/spf13/pflag", "go.yaml.in/yaml/v3", "github.com/google/uuid", "golang.org/x/term", "github.com/prometheus/client_golang"}},
	{room: "bootstrap/systemtest/*", ours: []string{"domain", "ports", "application", "bootstrap", "adapters/*", "bootstrap/systemtest/proc"}, libs: []string{"*"}, tests: true},
	{room: "cmd/logsift/internal/follow", ours: []string{"domain", "domain/logline"}},
	{room: "cmd/logsift", ours: []string{"self", "bootstrap", "domain", "domain/logline", "adapters/httpapi/wire"}, libs: []string{"github.com/spf13/cobra", "github.com/spf13/pflag", "golang.org/x/term", "github.com/google/uuid", "github.com/klauspost/compress", "github.com/therootcompany/xz", "github.com/mattn/go-runewidth", "golang.org/x/text/encoding/unicode"}},
	{room: "cmd/queue-example", ours: []string{".", "domain", "adapters/memstore"}},
	{room: "cmd/logsift-eval", ours: []string{"domain", "domain/logline", "adapters/memstore", "adapters/builtin", "adapters/builtin/*"}, libs: []string{"github.com/google/uuid"}},
	{room: "mocks", ours: []string{"domain", "ports"}, libs: []string{"github.com/golang/mock", "github.com/google/uuid"}, tests: true},
}

// onlyIn are packages that only some rooms may use, whatever their rule says.
var onlyIn = map[string][]string{
	"logsift/adapters/redisstore/redisbench": {"bootstrap"}, // It empties databases.
	"go.uber.org/fx":                         {"bootstrap"},
	"go.uber.org/dig":                        {"bootstrap"},
	"github.com/redis/go-redis/v9":           {"adapters/redisstore", "adapters/redisstore/internal/layout", "adapters/redisstore/internal/server", "adapters/redisstore/redisbench", "adapters/redisstore/verify"},
	"github.com/gorilla/mux":                 {"adapters/httpapi", "adapters/dashboard"},
	"modernc.org/sqlite":                     {"adapters/sqlitestore"},
	"github.com/spf13/cobra":                 {"cmd/logsift"},
	"github.com/prometheus":                  {"adapters/prommetrics", "bootstrap"},
	"go.opentelemetry.io/otel":               {"adapters/oteltrace"},
}

// skipped are folders that hold no production code.
var skipped = []string{".git", ".ci", "testdata"}

func TestEveryRoomKeepsToItsRule(t *testing.T) {
	t.Parallel()
	require.Empty(t, violations(os.DirFS(".."), rules))
}

// The table of the README's section Architecture has the rooms, and what each may import
// of ours. Rooms within an adapter are in the rules only.
func TestTheReadmeHasTheRules(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	shown := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| ((?:`[a-z./*-]+`(?:, )?)+) \\| [^|]+ \\| ([^|]+) \\|$").FindAllStringSubmatch(string(readme), -1) {
		for room := range strings.SplitSeq(row[1], ", ") {
			shown[strings.Trim(room, "`")] = strings.ReplaceAll(row[2], "`", "")
		}
	}
	for _, r := range rules {
		if strings.HasPrefix(r.room, "adapters/") && r.room != "adapters/*" {
			continue
		}
		imports, ok := shown[r.room]
		require.True(t, ok, "the README has no row for %s", r.room)
		delete(shown, r.room)
		if strings.HasPrefix(imports, "all of the above") {
			continue
		}
		ours := slices.DeleteFunc(slices.Clone(r.ours), func(o string) bool { return o == "self" || o == "adapters/builtin/*" })
		if len(ours) == 0 {
			ours = []string{"nothing"}
		}
		require.ElementsMatch(t, ours, strings.Split(imports, ", "), r.room)
	}
	require.Empty(t, shown, "these rows of the README have no rule")
}

func TestViolationsAreCaught(t *testing.T) {
	t.Parallel()
	file := func(src string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(src)} }
	clean := fstest.MapFS{
		"domain/task.go":               file("// Package domain is pure.\npackage domain\nimport \"time\"\nvar T time.Time"),
		"ports/queue.go":               file("// Package ports holds interfaces.\npackage ports\nimport _ \"logsift/domain\""),
		"adapters/memstore/queue.go":   file("// Package memstore is one.\npackage memstore\nimport _ \"logsift/ports\""),
		"adapters/memstore/x_test.go":  file("package memstore\nimport _ \"logsift/mocks\""),
		"adapters/memstore/in/util.go": file("// Package in is a subpackage.\npackage in"),
	}
	require.Empty(t, violations(clean, rules))
	cases := map[string]struct{ path, src, want string }{
		"the domain reads the clock":         {"domain/x.go", "package domain\nimport \"time\"\nvar N = time.Now()", "time.Now"},
		"the domain reads a renamed clock":   {"domain/x.go", "package domain\nimport c \"time\"\nvar N = c.Now()", "time.Now"},
		"the domain makes ids":               {"domain/x.go", "package domain\nimport \"github.com/google/uuid\"\nvar N = uuid.New()", "uuid.New"},
		"the domain takes a context":         {"domain/x.go", "package domain\nimport _ \"context\"", "context"},
		"the domain does I/O":                {"domain/x.go", "package domain\nimport _ \"net/http\"", "net/http"},
		"the domain uses a library":          {"domain/x.go", "package domain\nimport _ \"go.uber.org/zap\"", "go.uber.org/zap"},
		"the ports use a library":            {"ports/x.go", "package ports\nimport _ \"github.com/google/uuid\"", "github.com/google/uuid"},
		"the application knows HTTP":         {"application/x.go", "// Package application is one.\npackage application\nimport _ \"net/http\"", "net/http"},
		"the application knows an adapter":   {"application/x.go", "// Package application is one.\npackage application\nimport _ \"logsift/adapters/memstore\"", "logsift/adapters/memstore"},
		"an adapter knows another":           {"adapters/memstore/x.go", "package memstore\nimport _ \"logsift/adapters/redisstore\"", "logsift/adapters/redisstore"},
		"an adapter knows the application":   {"adapters/memstore/x.go", "package memstore\nimport _ \"logsift/application\"", "logsift/application"},
		"the store can empty a database":     {"adapters/redisstore/x.go", "// Package redisstore is one.\npackage redisstore\nimport _ \"logsift/adapters/redisstore/redisbench\"", "redisbench"},
		"an adapter uses fx":                 {"adapters/memstore/x.go", "package memstore\nimport _ \"go.uber.org/fx\"", "go.uber.org/fx"},
		"an adapter uses another's library":  {"adapters/memstore/x.go", "package memstore\nimport _ \"github.com/redis/go-redis/v9\"", "go-redis"},
		"a production file uses the suites":  {"adapters/memstore/x.go", "package memstore\nimport _ \"logsift/ports/portstest\"", "portstest"},
		"a production file uses the mocks":   {"bootstrap/x.go", "// Package bootstrap is one.\npackage bootstrap\nimport _ \"logsift/mocks\"", "logsift/mocks"},
		"a production file imports testing":  {"adapters/memstore/x.go", "package memstore\nimport _ \"testing\"", "testing"},
		"a production file uses test helper": {"adapters/redisstore/x.go", "// Package redisstore is one.\npackage redisstore\nimport _ \"logsift/adapters/redisstore/redistest\"", "redistest"},
		"wire knows the problems":            {"adapters/httpapi/wire/x.go", "// Package wire is one.\npackage wire\nimport _ \"logsift/adapters/httpapi/problem\"", "httpapi/wire may not import"},
		"the problems know the requests":     {"adapters/httpapi/problem/x.go", "// Package problem is one.\npackage problem\nimport _ \"logsift/adapters/httpapi/request\"", "httpapi/problem may not import"},
		"the requests know the API":          {"adapters/httpapi/request/x.go", "// Package request is one.\npackage request\nimport _ \"logsift/adapters/httpapi\"", "httpapi/request may not import"},
		"the taking in of logs knows keys":   {"adapters/httpapi/ingest/x.go", "// Package ingest is one.\npackage ingest\nimport _ \"logsift/adapters/httpapi/auth\"", "httpapi/ingest may not import"},
		"the watch of files knows keys":      {"adapters/httpapi/reload/x.go", "// Package reload is one.\npackage reload\nimport _ \"logsift/adapters/httpapi/apikey\"", "httpapi/reload may not import"},
		"the server knows the API":           {"adapters/httpapi/server/x.go", "// Package server is one.\npackage server\nimport _ \"logsift/adapters/httpapi\"", "httpapi/server may not import"},
		"the door knows an adapter":          {"x.go", "// Package logsift is the door.\npackage logsift\nimport _ \"logsift/adapters/memstore\"", ". may not import"},
		"the rules know the door":            {"domain/x.go", "package domain\nimport _ \"" + module + "\"", "domain may not import " + module},
		"the command knows an adapter":       {"cmd/logsift/x.go", "// Command logsift.\npackage main\nimport _ \"logsift/adapters/httpapi\"", "logsift/adapters/httpapi"},
		"a production file uses real faults": {"bootstrap/x.go", "// Package bootstrap is one.\npackage bootstrap\nimport _ \"logsift/bootstrap/systemtest/chaos\"", "systemtest/chaos"},
		"a folder has no rule":               {"util/x.go", "// Package util is one.\npackage util", "no rule"},
		"a package has no comment":           {"adapters/new/x.go", "package new", "package comment"},
		"a package has two comments":         {"domain/x.go", "// Package domain again.\npackage domain", "package comment"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tree := fstest.MapFS{c.path: file(c.src)}
			for p, f := range clean {
				tree[p] = f
			}
			require.Contains(t, strings.Join(violations(tree, rules), "\n"), c.want)
		})
	}
}

// violations parses every Go file of the tree and returns what breaks a rule. It
// reads the files itself, so that the test's cached result depends on them.
func violations(tree fs.FS, rules []rule) []string {
	var out []string
	comments := map[string]int{}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains(skipped, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		src, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ParseComments)
		if err != nil {
			return err
		}
		folder := path.Dir(name)
		if strings.HasSuffix(name, "_test.go") {
			return nil
		}
		r, room, ok := ruleFor(folder, rules)
		if !ok {
			out = append(out, fmt.Sprintf("%s: folder %s has no rule", name, folder))
			return nil
		}
		if file.Doc != nil {
			comments[folder]++
		} else {
			comments[folder] += 0
		}
		out = append(out, fileViolations(name, file, r, room, rules)...)
		return nil
	})
	if err != nil {
		out = append(out, err.Error())
	}
	for folder, n := range comments {
		if n != 1 {
			out = append(out, fmt.Sprintf("%s has %d files with a package comment, it must be one", folder, n))
		}
	}
	slices.Sort(out)
	return out
}

// ruleFor finds the rule of a folder, and the room that it is of.
func ruleFor(folder string, rules []rule) (found rule, room string, ok bool) {
	for _, r := range rules {
		at := r.room
		if base, star := strings.CutSuffix(r.room, "/*"); star {
			rest, inside := strings.CutPrefix(folder, base+"/")
			if !inside {
				continue
			}
			name, _, _ := strings.Cut(rest, "/")
			at = base + "/" + name
		}
		exact := folder == at
		within := strings.HasPrefix(folder, at+"/") && strings.HasSuffix(r.room, "/*")
		if (exact || within) && len(at) > len(room) {
			found, room, ok = r, at, true
		}
	}
	return found, room, ok
}

func fileViolations(name string, file *ast.File, r rule, room string, rules []rule) []string {
	var out []string
	names := map[string]string{}
	for _, spec := range file.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			out = append(out, fmt.Sprintf("%s: import %s: %v", name, spec.Path.Value, err))
			continue
		}
		local := path.Base(p)
		if spec.Name != nil {
			local = spec.Name.Name
		}
		names[local] = p
		if !allowed(p, r, room, rules) {
			out = append(out, fmt.Sprintf("%s: %s may not import %s", name, room, p))
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok {
			if p, imported := names[x.Name]; imported {
				if call := path.Base(p) + "." + sel.Sel.Name; slices.Contains(r.calls, call) {
					out = append(out, fmt.Sprintf("%s: %s may not use %s", name, room, call))
				}
			}
		}
		return true
	})
	return out
}

func allowed(p string, r rule, room string, rules []rule) bool {
	for lib, rooms := range onlyIn {
		if (p == lib || strings.HasPrefix(p, lib+"/")) && !r.tests && !slices.Contains(rooms, room) {
			return false
		}
	}
	ours, ok := strings.CutPrefix(p, module+"/")
	if p == module {
		ours, ok = ".", true
	}
	if ok {
		target, _, known := ruleFor(ours, rules)
		if known && target.tests { // only what names it
			return slices.Contains(r.ours, ours)
		}
		for _, o := range r.ours {
			base, star := strings.CutSuffix(o, "/*")
			switch {
			case o == "self" && strings.HasPrefix(ours, room+"/"):
				return true
			case star && strings.HasPrefix(ours, base+"/"), ours == o:
				return true
			}
		}
		return false
	}
	first, _, _ := strings.Cut(p, "/")
	if !strings.Contains(first, ".") { // the standard library
		if p == "testing" || strings.HasPrefix(p, "testing/") {
			return r.tests
		}
		return !slices.ContainsFunc(r.never, func(n string) bool {
			return p == n || strings.HasSuffix(n, "/") && strings.HasPrefix(p, n)
		})
	}
	return slices.ContainsFunc(r.libs, func(l string) bool {
		return l == "*" || p == l || strings.HasPrefix(p, l+"/")
	})
}
