package redacttest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
)

// Sets of characters of secrets.
const (
	digits = "0123456789"
	lowers = "abcdefghijklmnopqrstuvwxyz"
	uppers = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	hexes  = "0123456789abcdef"
	alnums = digits + lowers + uppers
	url64  = alnums + "-_"
	std64  = alnums + "+/"
	base32 = uppers + "234567"
)

// draw returns n characters of a set, of which the last is a letter or digit.
func draw(r *rand.Rand, set string, n int) string {
	out := make([]byte, n)
	for i := range out {
		out[i] = set[r.IntN(len(set))]
	}
	if n > 0 && !strings.Contains(alnums, string(out[n-1:])) {
		out[n-1] = 'k'
	}
	return string(out)
}

// keyShape is the form of a vendor's key, as the vendor documents it.
type keyShape struct {
	class, vendor string
	make          func(r *rand.Rand) string
}

// after makes secrets of a prefix and n characters. The prefix is in two parts, so
// that no scanner takes the source for a leak.
func after(prefix, rest, set string, n int) func(r *rand.Rand) string {
	return func(r *rand.Rand) string { return prefix + rest + draw(r, set, n) }
}

var keyShapes = []keyShape{
	{"aws_access_key", "AWS", after("AK", "IA", base32, 16)},
	{"aws_access_key", "AWS temporary", after("AS", "IA", base32, 16)},
	{"gcp_key", "Google API", after("AI", "za", url64, 35)},
	{"gcp_key", "Google OAuth", after("GOC", "SPX-", url64, 28)},
	{"gcp_key", "Google access", after("ya", "29.", url64, 120)},
	{"azure_key", "Azure application", func(r *rand.Rand) string { return draw(r, alnums, 3) + "8Q" + "~" + draw(r, alnums+"_-.~", 34) }},
	{"github_token", "GitHub classic", after("gh", "p_", alnums, 36)},
	{"github_token", "GitHub OAuth", after("gh", "o_", alnums, 36)},
	{"github_token", "GitHub app", after("gh", "s_", alnums, 36)},
	{"github_token", "GitHub fine-grained", func(r *rand.Rand) string {
		return "github" + "_pat_" + draw(r, alnums, 22) + "_" + draw(r, alnums, 59)
	}},
	{"gitlab_token", "GitLab", after("gl", "pat-", url64, 20)},
	{"gitlab_token", "GitLab runner", after("gl", "rt-", url64, 20)},
	{"gitlab_token", "GitLab trigger", after("gl", "ptt-", hexes, 40)},
	{"slack_token", "Slack bot", func(r *rand.Rand) string {
		return "xo" + "xb-" + draw(r, digits, 12) + "-" + draw(r, digits, 13) + "-" + draw(r, alnums, 24)
	}},
	{"slack_token", "Slack app", func(r *rand.Rand) string {
		return "xa" + "pp-1-A" + draw(r, digits+uppers, 10) + "-" + draw(r, digits, 13) + "-" + draw(r, hexes, 64)
	}},
	{"slack_token", "Slack hook", func(r *rand.Rand) string {
		return "T" + draw(r, digits+uppers, 10) + "/B" + draw(r, digits+uppers, 10) + "/" + draw(r, alnums, 24)
	}},
	{"stripe_key", "Stripe", after("sk_", "live_", alnums, 24)},
	{"stripe_key", "Stripe restricted", after("rk_", "test_", alnums, 99)},
	{"stripe_key", "Stripe hook", after("wh", "sec_", alnums, 32)},
	{"openai_key", "OpenAI", func(r *rand.Rand) string {
		return "sk" + "-" + draw(r, alnums, 20) + "T3Blbk" + "FJ" + draw(r, alnums, 20)
	}},
	{"openai_key", "OpenAI project", after("sk-", "proj-", url64, 156)},
	{"anthropic_key", "Anthropic", func(r *rand.Rand) string { return "sk-" + "ant-api03-" + draw(r, url64, 93) + "AA" }},
	{"service_key", "logsift", func(r *rand.Rand) string {
		return "ls" + "_" + draw(r, strings.ToLower(base32), 10) + "_" + draw(r, strings.ToLower(base32), 52)
	}},
	{"service_key", "logsift session", func(r *rand.Rand) string {
		return "lss" + "_" + draw(r, strings.ToLower(base32), 10) + "_" + "17" + draw(r, digits, 8) + "_" + draw(r, url64, 86)
	}},
	{"npm_token", "npm", after("np", "m_", alnums, 36)},
	{"pypi_token", "PyPI", after("pypi-", "AgEIcHlwaS5vcmc", url64, 120)},
	{"sendgrid_key", "SendGrid", func(r *rand.Rand) string { return "S" + "G." + draw(r, url64, 22) + "." + draw(r, url64, 43) }},
	{"twilio_key", "Twilio", after("S", "K", hexes, 32)},
	{"twilio_key", "Twilio account", after("A", "C", hexes, 32)},
	{"telegram_token", "Telegram", func(r *rand.Rand) string { return "1" + draw(r, digits, 9) + ":AA" + draw(r, url64, 33) }},
	{"service_key", "Hugging Face", after("h", "f_", lowers+uppers, 34)},
	{"service_key", "DigitalOcean", after("dop", "_v1_", hexes, 64)},
	{"service_key", "Docker", after("dckr", "_pat_", url64, 27)},
	{"service_key", "Databricks", after("da", "pi", hexes, 32)},
	{"service_key", "Vault", after("hv", "s.", url64, 95)},
	{"service_key", "Grafana", func(r *rand.Rand) string { return "gl" + "sa_" + draw(r, alnums, 32) + "_" + draw(r, hexes, 8) }},
	{"service_key", "Shopify", after("shp", "at_", hexes, 32)},
	{"service_key", "Square", after("sq0", "atp-", url64, 22)},
	{"service_key", "Mailgun", after("key", "-", hexes, 32)},
	{"service_key", "New Relic", after("NR", "AK-", digits+uppers, 27)},
	{"service_key", "Linear", after("lin_", "api_", alnums, 40)},
	{"service_key", "RubyGems", after("ruby", "gems_", hexes, 48)},
	{"service_key", "Postman", func(r *rand.Rand) string { return "PM" + "AK-" + draw(r, hexes, 24) + "-" + draw(r, hexes, 34) }},
	{"service_key", "Doppler", after("dp.", "pt.", alnums, 43)},
	{"service_key", "Tailscale", func(r *rand.Rand) string { return "ts" + "key-auth-" + draw(r, alnums, 12) + "-" + draw(r, alnums, 32) }},
	{"service_key", "Atlassian", after("ATA", "TT3xFfGF0", url64, 180)},
	{"service_key", "Alibaba", after("LT", "AI", alnums, 20)},
	{"service_key", "xAI", after("x", "ai-", alnums, 80)},
	{"service_key", "Groq", after("gs", "k_", alnums, 52)},
	{"service_key", "Sentry", after("snt", "ryu_", hexes, 64)},
	{"service_key", "Pulumi", after("pu", "l-", hexes, 40)},
	{"service_key", "Figma", after("fi", "gd_", url64, 40)},
}

// token makes a JSON web token; parts is 3, or 5 for an encrypted one.
func token(r *rand.Rand, parts int) string {
	encode := func(v any) string {
		out, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(out)
	}
	out := []string{encode(map[string]any{"alg": "RS256", "kid": draw(r, hexes, 8)})}
	if parts == 3 {
		out = append(out, encode(map[string]any{"sub": draw(r, digits, 9), "exp": 1790000000 + r.IntN(1e6)}))
	}
	for len(out) < parts {
		out = append(out, draw(r, url64, 43+r.IntN(200)))
	}
	return strings.Join(out, ".")
}

// privateKey makes a key in PEM of the given kind, such as "RSA ".
func privateKey(r *rand.Rand, kind string) (text string, lines []string) {
	for range 6 {
		lines = append(lines, draw(r, std64, 64))
	}
	lines = append(lines, draw(r, std64, 30)+"==")
	rule := strings.Repeat("-", 5)
	return rule + "BEGIN " + kind + "PRIVATE " + "KEY" + rule + "\n" + strings.Join(lines, "\n") +
		"\n" + rule + "END " + kind + "PRIVATE " + "KEY" + rule, lines
}

// password makes what people choose, and what generators make.
func password(r *rand.Rand, i int) string {
	word := []string{"sunflower", "Marathon", "battery", "Tiger", "winter"}[r.IntN(5)]
	switch i % 4 {
	case 0:
		return word + draw(r, digits, 4) + "!"
	case 1:
		return draw(r, alnums+"!#*_", 16)
	case 2:
		return word + draw(r, lowers, 5)
	}
	return draw(r, lowers, 4) + "_" + draw(r, uppers, 4) + "." + draw(r, digits, 3) + "x"
}

// card makes a number of a brand with Luhn's checksum, in groups if separator is
// not empty.
func card(r *rand.Rand, prefix string, length int, separator string) string {
	n := prefix + draw(r, digits, length-len(prefix)-1)
	for check := range 10 {
		sum := 0
		full := n + string(digits[check])
		for i := range full {
			d := int(full[len(full)-1-i] - '0')
			if i%2 == 1 {
				if d *= 2; d > 9 {
					d -= 9
				}
			}
			sum += d
		}
		if sum%10 == 0 {
			n = full
			break
		}
	}
	sizes := []int{4, 4, 4, 4, 4}
	if length == 15 {
		sizes = []int{4, 6, 5}
	}
	if separator == "" {
		return n
	}
	var groups []string
	for _, size := range sizes {
		size = min(size, len(n))
		if size > 0 {
			groups = append(groups, n[:size])
			n = n[size:]
		}
	}
	return strings.Join(groups, separator)
}

// account makes an IBAN of a country with its checksum, in groups of four if
// spaced.
func account(r *rand.Rand, country string, length int, spaced bool) string {
	bban := draw(r, digits, length-4)
	var number strings.Builder
	for _, c := range bban + country + "00" {
		if c >= 'A' {
			fmt.Fprint(&number, c-'A'+10)
		} else {
			number.WriteRune(c)
		}
	}
	n, _ := new(big.Int).SetString(number.String(), 10)
	check := 98 - new(big.Int).Mod(n, big.NewInt(97)).Int64()
	out := fmt.Sprintf("%s%02d%s", country, check, bban)
	if !spaced {
		return out
	}
	var groups []string
	for len(out) > 0 {
		size := min(4, len(out))
		groups = append(groups, out[:size])
		out = out[size:]
	}
	return strings.Join(groups, " ")
}
