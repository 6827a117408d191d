package dashboard

import (
	"io/fs"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Contrast that WCAG 2.2 asks for at level AA: of text with what is behind it
// (1.4.3), and of graphics with what is beside them (1.4.11).
const (
	textContrast    = 4.5
	graphicContrast = 3
)

// readable are the colours of text with those it is shown on.
var readable = map[string][]string{
	"text":        {"surface", "ground", "sunken", "hover", "raised", "accent-soft"},
	"muted":       {"surface", "ground", "sunken", "hover", "raised", "accent-soft", "neutral-soft"},
	"accent-text": {"surface", "ground", "hover", "accent-soft"},
	"on-accent":   {"accent"},
	"bad":         {"bad-soft", "surface", "hover", "raised", "accent-soft"},
	"good":        {"good-soft", "surface"},
	"warn":        {"warn-soft"},
	"info":        {"info-soft"},
	"violet":      {"violet-soft"},
	"neutral":     {"neutral-soft"},
}

func TestColoursHaveContrast(t *testing.T) {
	t.Parallel()
	src, err := fs.ReadFile(assets(t), "css/base.css")
	require.NoError(t, err)
	themes := [2]map[string]float64{{}, {}} // luminance by name, light and dark
	for _, found := range regexp.MustCompile(`--([\w-]+): (?:light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)|(#[0-9a-f]{6}));`).FindAllStringSubmatch(string(src), -1) {
		themes[0][found[1]] = luminance(t, found[2]+found[4])
		themes[1][found[1]] = luminance(t, found[3]+found[4])
	}
	for i, colours := range themes {
		theme := [2]string{"light", "dark"}[i]
		enough := func(name, on string, least float64) {
			require.Contains(t, colours, name)
			require.Contains(t, colours, on)
			require.GreaterOrEqual(t, contrast(colours[name], colours[on]), least, "%s on %s, %s theme", name, on, theme)
		}
		for name, grounds := range readable {
			for _, ground := range grounds {
				enough(name, ground, textContrast)
			}
		}
		for name := range colours {
			if strings.HasPrefix(name, "mark-") || name == "focus" {
				enough(name, "surface", graphicContrast)
			}
		}
	}
}

func TestContrastIsThatOfTheStandard(t *testing.T) {
	t.Parallel()
	black, white, grey := luminance(t, "#000000"), luminance(t, "#ffffff"), luminance(t, "#767676")
	require.InDelta(t, 21, contrast(black, white), 0.01)
	require.InDelta(t, 1, contrast(white, white), 0.01)
	require.InDelta(t, 4.54, contrast(grey, white), 0.01, "the lightest grey that is readable on white")
}

// luminance is the relative luminance of a colour as WCAG 2.2 defines it.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	rgb, err := strconv.ParseUint(strings.TrimPrefix(hex, "#"), 16, 32)
	require.NoError(t, err)
	linear := func(shift uint) float64 {
		c := float64(rgb>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(16) + 0.7152*linear(8) + 0.0722*linear(0)
}

func contrast(x, y float64) float64 {
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}
