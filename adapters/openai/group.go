package openai

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"logsift/domain"
)

// checkEvery is how many lines are grouped between two looks at the context.
const checkEvery = 1024

// group are the lines that differ only in their variable parts.
type group struct {
	// template is the line with its variable parts as <*>.
	template string
	// level is the highest of the lines.
	level domain.LogLevel
	// lines are the places of the lines in the request, in rising order.
	lines []int32
}

// groupLines groups the lines, the most severe groups first and of one level the
// rarest first: what is left out for want of room should be what matters least.
func groupLines(ctx context.Context, logs []domain.LogEntry) ([]*group, error) {
	byTemplate := map[string]*group{}
	var out []*group
	for i := range logs {
		if i%checkEvery == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		template := mask(clean(logs[i].Message, domain.MaxAnomalyTemplate))
		g, ok := byTemplate[template]
		if !ok {
			g = &group{template: template}
			byTemplate[template] = g
			out = append(out, g)
		}
		g.level = max(g.level, logs[i].Level)
		g.lines = append(g.lines, int32(i))
	}
	slices.SortStableFunc(out, func(a, b *group) int {
		return cmp.Or(cmp.Compare(b.level, a.level), cmp.Compare(len(a.lines), len(b.lines)))
	})
	return out, nil
}

// variable matches what varies between lines of one shape: ids in hexadecimal,
// and whatever else holds a digit.
var variable = regexp.MustCompile(`\b[[:xdigit:]]{8,}(?:-[[:xdigit:]]{4,})*\b|[[:alpha:]_]*[0-9](?:[\w.:-]*\w)?`)

func mask(s string) string {
	return shorten(variable.ReplaceAllString(s, "<*>"), domain.MaxAnomalyTemplate)
}

// escape matches the escape sequences of terminals.
var escape = regexp.MustCompile(`(?:\x1b\[|\x{9b})[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -~]`)

// clean returns s as one line of at most limit bytes of valid UTF-8 without
// escape sequences and without control and invisible characters: those could hide
// from a person what a model reads, or steer the terminal that shows it.
func clean(s string, limit int) string {
	if len(s) > 4*limit {
		s = s[:4*limit]
	}
	if strings.ContainsAny(s, "\x1b\u009b") {
		s = escape.ReplaceAllString(s, "")
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= ' ' && r <= '~':
			return r
		case r == '\t' || r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029':
			return ' '
		case unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Co, unicode.Variation_Selector):
			return -1
		}
		return r
	}, s)
	return shorten(strings.TrimSpace(s), limit)
}

// shorten returns at most limit bytes of s, whole characters only, and marks the
// cut.
func shorten(s string, limit int) string {
	const mark = "…"
	if len(s) <= limit {
		return s
	}
	end := limit - len(mark)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + mark
}
