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
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// replaced are words that names of Go no longer have, and the words of CONTRIBUTING's
// glossary that stand for them.
var replaced = map[string]string{
	"asleep": "paused", "course": "session counts", "courses": "session counts", "depart": "start", "farewell": "unregister",
	"heed": "notify", "herald": "reporter", "intake": "ingest",
	"owe": "reserve", "owed": "reserve", "settlement": "report", "settler": "finisher",
	"steer": "classify", "stick": "mark stuck", "stir": "notify", "teller": "emitter", "waker": "notifier",
}

// nameWord is a word of a name such as readyList or HTTPServer.
var nameWord = regexp.MustCompile(`[A-Z]+[a-z0-9]*|[a-z0-9]+`)

// replacedWords returns the names of a tree that have a replaced word.
func replacedWords(tree fs.FS) ([]string, error) {
	var out []string
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(skipped, d.Name()):
			return fs.SkipDir
		case path.Ext(name) != ".go":
			return nil
		}
		src, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, src, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				for _, word := range nameWord.FindAllString(id.Name, -1) {
					if better, ok := replaced[strings.ToLower(word)]; ok {
						out = append(out, fmt.Sprintf("%s: %s: the word is %s", name, id.Name, better))
					}
				}
			}
			return true
		})
		return nil
	})
	slices.Sort(out)
	return slices.Compact(out), err
}

func TestReplacedWordsStayAway(t *testing.T) {
	t.Parallel()
	planted, err := replacedWords(fstest.MapFS{"domain/x.go": {Data: []byte("package domain\ntype steerError struct{}\nvar discourse int")}})
	require.NoError(t, err)
	require.Equal(t, []string{"domain/x.go: steerError: the word is classify"}, planted)
	found, err := replacedWords(os.DirFS(".."))
	require.NoError(t, err)
	require.Empty(t, found)
}
