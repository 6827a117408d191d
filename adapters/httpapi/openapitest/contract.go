package openapitest

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"logsift/adapters/httpapi"
)

// Contract checks what passes between clients and a server against an OpenAPI
// document. It is safe for concurrent use.
type Contract struct {
	root   map[string]any
	routes []route

	mu         sync.Mutex // guards what follows, and the compiler, which is for one at a time
	compiler   *jsonschema.Compiler
	schemas    map[string]*jsonschema.Schema // by their pointer
	violations []string
	succeeded  map[string]bool // the operations that were, by their operationId
}

// route is a path of the document.
type route struct {
	path    string
	pattern *regexp.Regexp
	// prefix is whether every path that begins so is meant.
	prefix bool
	// fixed is how many characters of the path are no variables.
	fixed int
	// item is the pointer of its path item.
	item string
}

// API returns the contract of the HTTP API.
var API = sync.OnceValue(func() *Contract {
	c, err := New(httpapi.OpenAPI())
	if err != nil {
		panic(err)
	}
	return c
})

// resource is the name of the document for the compiler of schemas.
const resource = "contract.json"

// New returns the contract of an OpenAPI document in JSON.
func New(document []byte) (*Contract, error) {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	root, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("read the document: it is a %T", value)
	}
	c := &Contract{root: root, compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}, succeeded: map[string]bool{}}
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource(resource, value); err != nil {
		return nil, fmt.Errorf("prepare the document: %w", err)
	}
	for path := range object(root["paths"]) {
		c.routes = append(c.routes, c.routeOf(path))
	}
	slices.SortFunc(c.routes, func(x, y route) int { return cmp.Or(cmp.Compare(y.fixed, x.fixed), cmp.Compare(x.path, y.path)) })
	return c, nil
}

var variable = regexp.MustCompile(`\{[^}]+\}`)

func (c *Contract) routeOf(path string) route {
	r := route{path: path, fixed: len(variable.ReplaceAllString(path, "")), item: pointer("paths", path)}
	item, _ := c.at(r.item)
	if prefix, ok := item["x-path-prefix"].(string); ok {
		r.prefix, r.pattern = true, regexp.MustCompile("^"+regexp.QuoteMeta(prefix))
		return r
	}
	var out strings.Builder
	last := 0
	for _, at := range variable.FindAllStringIndex(path, -1) {
		out.WriteString(regexp.QuoteMeta(path[last:at[0]]) + "(?P<" + path[at[0]+1:at[1]-1] + ">[^/]+)")
		last = at[1]
	}
	r.pattern = regexp.MustCompile("^" + out.String() + regexp.QuoteMeta(path[last:]) + "$")
	return r
}

// find returns the path of the document that a URL is for, or nil. Of several, the one
// with the longest fixed part is meant.
func (c *Contract) find(u *url.URL) *route {
	for i := range c.routes {
		if c.routes[i].pattern.MatchString(u.Path) {
			return &c.routes[i]
		}
	}
	return nil
}

// operation returns the operation of a method and its pointer, nil if the route has
// none. HEAD is that of GET.
func (c *Contract) operation(r *route, method string) (map[string]any, string) {
	if r == nil {
		return nil, ""
	}
	if method == http.MethodHead {
		method = http.MethodGet
	}
	return c.at(r.item + pointer(strings.ToLower(method)))
}

// pointer returns the JSON pointer of these names.
func pointer(names ...string) string {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	var out strings.Builder
	for _, name := range names {
		out.WriteString("/" + escape.Replace(name))
	}
	return out.String()
}

// at returns the object at a pointer, behind references, with its own pointer. It is
// nil if there is none.
func (c *Contract) at(ptr string) (map[string]any, string) {
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	var v any = c.root
	for _, name := range strings.Split(ptr, "/")[1:] {
		v = step(v, unescape.Replace(name))
	}
	n := object(v)
	if ref, ok := n["$ref"].(string); ok {
		return c.at(strings.TrimPrefix(ref, "#"))
	}
	return n, ptr
}

// step returns the member of an object or array, or nil.
func step(v any, name string) any {
	if list, ok := v.([]any); ok {
		for i := range list {
			if strconv.Itoa(i) == name {
				return list[i]
			}
		}
		return nil
	}
	return object(v)[name]
}

func object(v any) map[string]any {
	n, _ := v.(map[string]any)
	return n
}

// judge returns what of a value breaks the schema at a pointer.
func (c *Contract) judge(ptr string, value any) []string {
	c.mu.Lock()
	schema, ok := c.schemas[ptr]
	if !ok {
		var err error
		if schema, err = c.compiler.Compile((&url.URL{Path: resource, Fragment: ptr}).String()); err != nil {
			panic(fmt.Sprintf("compile the schema at %s: %v", ptr, err)) // the document is wrong
		}
		c.schemas[ptr] = schema
	}
	c.mu.Unlock()
	if err := schema.Validate(value); err != nil {
		return []string{err.Error()}
	}
	return nil
}
