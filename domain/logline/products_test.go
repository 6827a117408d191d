package logline_test

import (
	_ "embed"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain/logline"
)

//go:embed testdata/products.txt
var productLines string

// productLine is a row of testdata/products.txt, whose head explains it.
type productLine struct{ product, time, level, text, line string }

func readProductLines(tb testing.TB) []productLine {
	tb.Helper()
	var out []productLine
	for block := range strings.SplitSeq(strings.TrimSpace(productLines), "\n\n") {
		if strings.HasPrefix(block, "#") {
			continue
		}
		head, line, ok := strings.Cut(block, "\n")
		require.True(tb, ok, block)
		cells := strings.Split(head, "|")
		require.Len(tb, cells, 5, block)
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		out = append(out, productLine{cells[0], cells[2], cells[3], cells[4], strings.ReplaceAll(strings.TrimRight(line, "\n"), "␉", "\t")})
	}
	return out
}

func TestTheLinesOfProductsAreRead(t *testing.T) {
	t.Parallel()
	lines := readProductLines(t)
	products := map[string]bool{}
	for _, want := range lines {
		products[want.product] = true
		t.Run(want.product, func(t *testing.T) {
			t.Parallel()
			h := logline.Parser{}.Header(want.line, productsNow())
			if want.time != "?" {
				shown := "none"
				if !h.Time.IsZero() {
					shown = h.Time.Format(time.RFC3339Nano)
				}
				require.Equal(t, want.time, shown, "time of %s", want.line)
			}
			if want.level != "?" {
				require.Equal(t, strings.Replace(want.level, "none", "unknown", 1), h.Level.String(), "level of %s", want.line)
			}
			require.True(t, strings.HasPrefix(want.line[h.TextBegin:h.TextEnd], want.text), "text %q", want.line[h.TextBegin:h.TextEnd])
		})
	}
	require.Greater(t, len(lines), 300)
	require.Greater(t, len(products), 150)
}

func productsNow() time.Time { return time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC) }
