package redact

import (
	"math/rand/v2"
	"regexp/syntax"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// example makes up a text of a form.
func example(r *rand.Rand, re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCharClass:
		var set []rune
		for i := 0; i < len(re.Rune); i += 2 {
			for c := re.Rune[i]; c <= re.Rune[i+1]; c++ {
				set = append(set, c)
			}
		}
		return string(set[r.IntN(len(set))])
	case syntax.OpRepeat:
		var out strings.Builder
		for range re.Min {
			out.WriteString(example(r, re.Sub[0]))
		}
		return out.String()
	default:
		var out strings.Builder
		for _, sub := range re.Sub {
			out.WriteString(example(r, sub))
		}
		return out.String()
	}
}

func TestEachFormIsFound(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 3))
	known := map[Class]bool{}
	for _, class := range classes {
		known[class] = true
	}
	forms, names := 0, 0
	for row := range formRows {
		if row.class == vendorName {
			names++
			require.Equal(t, strings.ToLower(row.form), row.form)
			continue
		}
		forms++
		require.True(t, known[Class(row.class)], row.class)
		re, err := syntax.Parse(row.form, syntax.Perl)
		require.NoError(t, err)
		for range 20 {
			key := example(r, re)
			if last := key[len(key)-1]; !isAlnum(last) || countDigits(key) < row.digits {
				continue // the end of a sentence, or a word
			}
			for _, frame := range []string{"%", "call with % was refused", `{"msg":"got % twice"}`, "x=%&y=1", "(%)", "https://h/a?t=%", "\x1b[31m%\x1b[0m", "saw %, and"} {
				out := New(Config{}).Session().Redact(strings.Replace(frame, "%", key, 1))
				require.NotContains(t, out, key, "%s: %s", row.form, out)
				require.Contains(t, out, placeholderBegin, row.form)
			}
		}
	}
	require.Greater(t, forms, 250)
	require.Greater(t, names, 150)
}

func TestFormsThatCannotBeFoundAreRefused(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"[a-z]{3}", "abc|def", "a[b-c]{2}d", "[a-z]{3}abc[a-z]{3}", "("} {
		_, err := newShape(formRow{class: "service_key", form: form}, map[string]run{})
		require.Error(t, err, form)
	}
}
