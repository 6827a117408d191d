package openai

import (
	"fmt"
	"strconv"
	"strings"

	"logsift/domain"
)

// Micros is an amount of money in millionths of its currency.
type Micros int64

const microsPerUnit = 1_000_000

// Bounds that keep products of tokens and prices within an int64: 3e8 · 1e10 / 1e6.
const (
	maxPrice  Micros = 10_000 * microsPerUnit
	maxTokens        = 100_000_000
)

// ParseMicros reads a decimal number without sign or exponent and with at most six
// digits after the point, such as 0.15. The error is a *domain.ValidationError.
func ParseMicros(s string) (Micros, error) {
	fault := &domain.ValidationError{Field: "amount", Value: s, Rule: "must be a number such as 0.15, of at most six decimals"}
	whole, fraction, point := strings.Cut(s, ".")
	if len(fraction) > 6 || point && fraction == "" || strings.ContainsFunc(whole+fraction, func(r rune) bool { return r < '0' || r > '9' }) {
		return 0, fault
	}
	units, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || units > 1e12 {
		return 0, fault
	}
	micros, err := strconv.ParseInt((fraction + "000000")[:6], 10, 64)
	if err != nil {
		return 0, fault
	}
	return Micros(units*microsPerUnit + micros), nil
}

// String writes the amount as [ParseMicros] reads it, without needless zeros.
func (m Micros) String() string {
	sign := ""
	if m < 0 {
		sign, m = "-", -m
	}
	s := fmt.Sprintf("%s%d.%06d", sign, m/microsPerUnit, m%microsPerUnit)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// Prices are for a million tokens.
type Prices struct {
	// Input is for tokens of the prompt, Cached for the tokens of the prompt that the service
	// had at hand (0: the same as Input), Output for tokens of the answer, thoughts
	// included.
	Input, Cached, Output Micros
	// Currency is a code of ISO 4217; "" is DefaultCurrency.
	Currency string
}

// free reports whether nothing costs anything.
func (p Prices) free() bool { return p.Input == 0 && p.Output == 0 && p.Cached == 0 }

// cost is what the tokens cost, rounded up.
func (p Prices) cost(u domain.Usage) Micros {
	clamp := func(n int) Micros { return Micros(min(max(n, 0), maxTokens)) }
	prompt, cached := clamp(u.PromptTokens), clamp(u.CachedTokens)
	cached = min(cached, prompt)
	cachedPrice := p.Cached
	if cachedPrice == 0 {
		cachedPrice = p.Input
	}
	// OpenAI counts thoughts as part of the answer.
	total := (prompt-cached)*p.Input + cached*cachedPrice + clamp(u.CompletionTokens)*p.Output
	return (total + microsPerUnit - 1) / microsPerUnit
}
