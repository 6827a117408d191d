package redacttest

import (
	_ "embed"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
)

//go:embed surroundings.tsv
var surroundings string

// Surroundings returns entries in which only what stands around a secret gives it
// away: each line of surroundings.tsv, with as many secrets as asked for.
func Surroundings(seed uint64, each int) []Plant { return fill(surroundings, seed, each) }

var blank = regexp.MustCompile(`«([^»]*)»`)

// fill returns the entries of a table such as surroundings.tsv.
func fill(table string, seed uint64, each int) []Plant {
	r := rand.New(rand.NewPCG(seed, 2))
	unescape := strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\r`, "\r", `\t`, "\t")
	var out []Plant
	for line := range strings.Lines(table) {
		class, text, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok {
			continue
		}
		text = unescape.Replace(text)
		for i := range each {
			p := Plant{Class: class, Form: text}
			p.Text = blank.ReplaceAllStringFunc(text, func(b string) string {
				kind := blank.FindStringSubmatch(b)[1]
				if kind == "" && class == "prose" {
					kind = "mixed"
				}
				secret := secretOf(r, kind, i)
				p.Secrets = append(p.Secrets, secret)
				return secret
			})
			out = append(out, p)
		}
	}
	return out
}

// secretOf makes the i-th secret of a kind.
func secretOf(r *rand.Rand, kind string, i int) string {
	if separator, ok := strings.CutPrefix(kind, "card."); ok {
		brand := []struct {
			prefix string
			length int
		}{{"4", 16}, {"51", 16}, {"2221", 16}, {"34", 15}, {"6011", 16}}[i%5]
		return card(r, brand.prefix, brand.length, separator)
	}
	for prefix, set := range map[string]string{"hex": hexes, "low": digits + lowers} {
		if n, err := strconv.Atoi(strings.TrimPrefix(kind, prefix)); err == nil && strings.HasPrefix(kind, prefix) {
			return draw(r, set, n)
		}
	}
	return kinds[kind](r, i)
}

// crypted is the alphabet of crypt(3).
const crypted = "./" + alnums

var kinds = map[string]func(r *rand.Rand, i int) string{
	"":      password,
	"mixed": func(r *rand.Rand, i int) string { return password(r, []int{0, 1, 3}[i%3]) },
	"uuid": func(r *rand.Rand, _ int) string {
		return draw(r, hexes, 8) + "-" + draw(r, hexes, 4) + "-4" + draw(r, hexes, 3) + "-a" + draw(r, hexes, 3) + "-" + draw(r, hexes, 12)
	},
	"cisco7": func(r *rand.Rand, _ int) string { return "0" + draw(r, digits, 1) + draw(r, digits+"ABCDEF", 14) },
	"cisco8": func(r *rand.Rand, _ int) string { return "$8$" + draw(r, crypted, 14) + "$" + draw(r, crypted, 43) },
	"cisco9": func(r *rand.Rand, _ int) string { return "$9$" + draw(r, crypted, 14) + "$" + draw(r, crypted, 43) },
	"crypt1": func(r *rand.Rand, _ int) string { return "$1$" + draw(r, crypted, 4) + "$" + draw(r, crypted, 22) },
	"crypt6": func(r *rand.Rand, _ int) string { return "$6$" + draw(r, crypted, 16) + "$" + draw(r, crypted, 86) },
	"apr1":   func(r *rand.Rand, _ int) string { return "$apr1$" + draw(r, crypted, 8) + "$" + draw(r, crypted, 22) },
	"bcrypt": func(r *rand.Rand, _ int) string { return "$2b$12$" + draw(r, crypted, 53) },
	"argon2": func(r *rand.Rand, _ int) string {
		return "$argon2id$v=19$m=65536,t=3,p=4$" + draw(r, std64, 22) + "$" + draw(r, std64, 43)
	},
	"pbkdf2": func(r *rand.Rand, _ int) string {
		return "pbkdf2_sha256$600000$" + draw(r, alnums, 22) + "$" + draw(r, std64, 43) + "="
	},
	"phpass": func(r *rand.Rand, _ int) string { return "$P$B" + draw(r, crypted, 30) },
	"ssha": func(r *rand.Rand, i int) string {
		return []string{"{SSHA}", "{SHA}", "{SSHA512}", "{MD5}"}[i%4] + draw(r, std64, 38) + "=="
	},
	"ntlm": func(r *rand.Rand, _ int) string { return draw(r, hexes, 32) + ":" + draw(r, hexes, 32) },
	"netntlm": func(r *rand.Rand, _ int) string {
		return draw(r, hexes, 16) + ":" + draw(r, hexes, 32) + ":" + draw(r, hexes, 80)
	},
	"krb5tgs": func(r *rand.Rand, _ int) string {
		return "$krb5tgs$23$*svc$EXAMPLE.COM$http/web1*$" + draw(r, hexes, 32) + "$" + draw(r, hexes, 200)
	},
	"krb5asrep": func(r *rand.Rand, _ int) string {
		return "$krb5asrep$23$bob@EXAMPLE.COM:" + draw(r, hexes, 32) + "$" + draw(r, hexes, 200)
	},
	"mysql41": func(r *rand.Rand, _ int) string { return "*" + draw(r, digits+"ABCDEF", 40) },
	"scram": func(r *rand.Rand, _ int) string {
		return "SCRAM-SHA-256$4096:" + draw(r, std64, 22) + "==$" + draw(r, std64, 43) + "=:" + draw(r, std64, 43) + "="
	},
	"pgmd5":   func(r *rand.Rand, _ int) string { return "md5" + draw(r, hexes, 32) },
	"basic":   func(r *rand.Rand, i int) string { return std("app:" + password(r, i)) },
	"plain":   func(r *rand.Rand, i int) string { return std("\x00app\x00" + password(r, i)) },
	"jsonb64": func(r *rand.Rand, i int) string { return std(`{"user":"app","password":"` + password(r, i) + `"}`) },
	"utf16": func(r *rand.Rand, i int) string {
		var out []byte
		for _, unit := range utf16.Encode([]rune(fmt.Sprintf("$password = '%s'", password(r, i)))) {
			out = append(out, byte(unit), byte(unit>>8))
		}
		return std(string(out))
	},
}

func std(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

//go:embed holdout.tsv
var holdout string

// Holdout returns entries of the same kind in other surroundings, on which no rule was
// made.
func Holdout(seed uint64, each int) []Plant { return fill(holdout, seed, each) }
