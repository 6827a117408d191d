package redact

import (
	"cmp"
	"slices"
	"strings"
)

// shape is what the keys of a vendor look like: a prefix, then at least min bytes
// of a set. The shapes are those that the vendors document; many were found by way
// of the rules of gitleaks (https://github.com/gitleaks/gitleaks, MIT licence).
type shape struct {
	prefix string
	set    *alphabet
	min    int
	class  Class
	// exact is whether there are no more than min bytes: short prefixes need it.
	exact bool
	// digits is how many of the bytes must be digits, where words have the shape.
	digits int
	// keep is whether the prefix is no part of the secret.
	keep bool
}

var shapes = [...]shape{
	{prefix: "AKIA", set: setUpper, min: 16, exact: true, class: AWSAccessKey},
	{prefix: "ASIA", set: setUpper, min: 16, exact: true, class: AWSAccessKey},
	{prefix: "ABIA", set: setUpper, min: 16, exact: true, class: AWSAccessKey},
	{prefix: "ACCA", set: setUpper, min: 16, exact: true, class: AWSAccessKey},
	{prefix: "A3T", set: setUpper, min: 17, exact: true, class: AWSAccessKey},
	{prefix: "ABSK", set: setBase64, min: 80, class: AWSSecretKey},
	{prefix: "bedrock-api-key-", set: setBase64, min: 20, class: AWSSecretKey},

	{prefix: "AIza", set: setURL64, min: 35, class: GCPKey},
	{prefix: "GOCSPX-", set: setURL64, min: 24, class: GCPKey},
	{prefix: "ya29.", set: setDotted, min: 20, class: GCPKey},
	{prefix: "1//0", set: setURL64, min: 30, class: GCPKey},
	{prefix: "AAAA", set: newAlphabet(wordlike + "-:"), min: 140, class: GCPKey},

	{prefix: "ghp_", set: setAlnum, min: 30, class: GitHubToken},
	{prefix: "gho_", set: setAlnum, min: 30, class: GitHubToken},
	{prefix: "ghu_", set: setAlnum, min: 30, class: GitHubToken},
	{prefix: "ghs_", set: setDotted, min: 30, class: GitHubToken},
	{prefix: "ghr_", set: setAlnum, min: 30, class: GitHubToken},
	{prefix: "github_pat_", set: setWord, min: 36, class: GitHubToken},

	{prefix: "glpat-", set: setDotted, min: 20, class: GitLabToken},
	{prefix: "gldt-", set: setURL64, min: 20, class: GitLabToken},
	{prefix: "glrt-", set: setDotted, min: 20, class: GitLabToken},
	{prefix: "glft-", set: setURL64, min: 20, class: GitLabToken},
	{prefix: "glffct-", set: setURL64, min: 20, class: GitLabToken},
	{prefix: "glimt-", set: setURL64, min: 20, class: GitLabToken},
	{prefix: "glcbt-", set: setURL64, min: 20, class: GitLabToken},
	{prefix: "glptt-", set: setHex, min: 40, class: GitLabToken},
	{prefix: "gloas-", set: setURL64, min: 40, class: GitLabToken},
	{prefix: "glsoat-", set: setURL64, min: 20, class: GitLabToken},
	{prefix: "glagent-", set: setURL64, min: 40, class: GitLabToken},
	{prefix: "GR1348941", set: setURL64, min: 20, class: GitLabToken},

	{prefix: "xoxb-", set: setURL64, min: 20, class: SlackToken},
	{prefix: "xoxp-", set: setURL64, min: 20, class: SlackToken},
	{prefix: "xoxa-", set: setURL64, min: 10, class: SlackToken},
	{prefix: "xoxr-", set: setURL64, min: 10, class: SlackToken},
	{prefix: "xoxs-", set: setURL64, min: 20, class: SlackToken},
	{prefix: "xoxo-", set: setURL64, min: 20, class: SlackToken},
	{prefix: "xoxe-", set: setURL64, min: 20, class: SlackToken},
	{prefix: "xoxe.", set: setURL64, min: 20, class: SlackToken},
	{prefix: "xoxc-", set: setURL64, min: 20, class: SlackToken},
	{prefix: "xoxd-", set: setPath, min: 20, class: SlackToken},
	{prefix: "xapp-", set: setURL64, min: 20, class: SlackToken},
	{prefix: "hooks.slack.com/services/", set: setPath, min: 20, keep: true, class: SlackToken},
	{prefix: "hooks.slack.com/workflows/", set: setPath, min: 20, keep: true, class: SlackToken},
	{prefix: "hooks.slack.com/triggers/", set: setPath, min: 20, keep: true, class: SlackToken},

	{prefix: "sk_live_", set: setAlnum, min: 10, class: StripeKey},
	{prefix: "sk_test_", set: setAlnum, min: 10, class: StripeKey},
	{prefix: "sk_prod_", set: setAlnum, min: 10, class: StripeKey},
	{prefix: "rk_live_", set: setAlnum, min: 10, class: StripeKey},
	{prefix: "rk_test_", set: setAlnum, min: 10, class: StripeKey},
	{prefix: "rk_prod_", set: setAlnum, min: 10, class: StripeKey},
	{prefix: "whsec_", set: setBase64, min: 24, class: StripeKey},

	{prefix: "sk-ant-", set: setURL64, min: 20, class: AnthropicKey},
	{prefix: "sk-proj-", set: setURL64, min: 20, class: OpenAIKey},
	{prefix: "sk-svcacct-", set: setURL64, min: 20, class: OpenAIKey},
	{prefix: "sk-admin-", set: setURL64, min: 20, class: OpenAIKey},
	{prefix: "sk-or-v1-", set: setAlnum, min: 32, class: ServiceKey},
	{prefix: "sk-lf-", set: setURL64, min: 30, class: ServiceKey},
	{prefix: "sk-", set: setURL64, min: 20, digits: 2, class: OpenAIKey},

	{prefix: "npm_", set: setAlnum, min: 30, class: NPMToken},
	{prefix: "pypi-AgE", set: setURL64, min: 50, class: PyPIToken},
	{prefix: "SG.", set: newAlphabet(wordlike + "-.="), min: 60, class: SendGridKey},
	{prefix: "SK", set: setHex, min: 32, exact: true, class: TwilioKey},
	{prefix: "AC", set: setHex, min: 32, exact: true, class: TwilioKey},

	{prefix: "discord.com/api/webhooks/", set: setPath, min: 40, keep: true, class: DiscordToken},
	{prefix: "discordapp.com/api/webhooks/", set: setPath, min: 40, keep: true, class: DiscordToken},
	{prefix: "webhook.office.com/webhookb2/", set: setPath, min: 40, keep: true, class: ServiceKey},
	{prefix: "hooks.zapier.com/hooks/catch/", set: setPath, min: 10, keep: true, class: ServiceKey},

	{prefix: "AGE-SECRET-KEY-1", set: setUpper, min: 40, class: PrivateKey},

	{prefix: "A3-", set: newAlphabet(digits + uppers + "-"), min: 36, class: ServiceKey},
	{prefix: "ops_eyJ", set: setBase64, min: 60, class: ServiceKey},
	{prefix: "AKCp", set: setAlnum, min: 60, class: ServiceKey},
	{prefix: "cmVmd", set: setAlnum, min: 59, exact: true, class: ServiceKey},
	{prefix: "AKID", set: setAlnum, min: 32, exact: true, class: ServiceKey},
	{prefix: "API-", set: setUpper, min: 26, exact: true, class: ServiceKey},
	{prefix: "AQVN", set: setURL64, min: 35, class: ServiceKey},
	{prefix: "ATATT3", set: newAlphabet(wordlike + "-="), min: 60, class: ServiceKey},
	{prefix: "ATBB", set: setAlnum, min: 28, exact: true, class: ServiceKey},
	{prefix: "ATCTT3", set: newAlphabet(wordlike + "-="), min: 60, class: ServiceKey},
	{prefix: "bkua_", set: setHex, min: 40, class: ServiceKey},
	{prefix: "CCIPAT_", set: setWord, min: 20, class: ServiceKey},
	{prefix: "CFPAT-", set: setURL64, min: 40, class: ServiceKey},
	{prefix: "CLOJARS_", set: setAlnum, min: 60, class: ServiceKey},
	{prefix: "dapi", set: setHex, min: 32, class: ServiceKey},
	{prefix: "dckr_pat_", set: setURL64, min: 20, class: ServiceKey},
	{prefix: "dckr_oat_", set: setURL64, min: 20, class: ServiceKey},
	{prefix: "doo_v1_", set: setHex, min: 64, class: ServiceKey},
	{prefix: "dop_v1_", set: setHex, min: 64, class: ServiceKey},
	{prefix: "dor_v1_", set: setHex, min: 64, class: ServiceKey},
	{prefix: "dp.pt.", set: setAlnum, min: 40, class: ServiceKey},
	{prefix: "dp.st.", set: setDotted, min: 40, class: ServiceKey},
	{prefix: "dt0c01.", set: setDotted, min: 60, class: ServiceKey},
	{prefix: "duffel_", set: newAlphabet(wordlike + "-="), min: 40, class: ServiceKey},
	{prefix: "EAAA", set: setURL64, min: 60, class: ServiceKey},
	{prefix: "EZAK", set: setAlnum, min: 54, class: ServiceKey},
	{prefix: "EZTK", set: setAlnum, min: 54, class: ServiceKey},
	{prefix: "figd_", set: setURL64, min: 36, class: ServiceKey},
	{prefix: "fio-u-", set: setURL64, min: 40, class: ServiceKey},
	{prefix: "FLWSECK", set: newAlphabet(wordlike + "-"), min: 16, class: ServiceKey},
	{prefix: "fm1", set: newAlphabet(wordlike + "+/="), min: 100, class: ServiceKey},
	{prefix: "fm2_", set: newAlphabet(wordlike + "+/="), min: 100, class: ServiceKey},
	{prefix: "fo1_", set: setURL64, min: 43, class: ServiceKey},
	{prefix: "glc_", set: setBase64, min: 32, class: ServiceKey},
	{prefix: "glsa_", set: setWord, min: 40, class: ServiceKey},
	{prefix: "gsk_", set: setAlnum, min: 40, class: ServiceKey},
	{prefix: "hf_", set: setAlnum, min: 30, class: ServiceKey},
	{prefix: "HRKU-", set: setURL64, min: 36, class: ServiceKey},
	{prefix: "hvb.", set: setURL64, min: 90, class: ServiceKey},
	{prefix: "hvs.", set: setURL64, min: 24, class: ServiceKey},
	{prefix: "key-", set: setHex, min: 32, exact: true, class: ServiceKey},
	{prefix: "lin_api_", set: setAlnum, min: 40, class: ServiceKey},
	{prefix: "ls_", set: setWord, min: 63, digits: 1, class: ServiceKey},    // logsift's own keys
	{prefix: "lss_", set: setURL64, min: 100, digits: 1, class: ServiceKey}, // and its sessions
	{prefix: "LTAI", set: setAlnum, min: 20, exact: true, class: ServiceKey},
	{prefix: "nfp_", set: setAlnum, min: 36, class: ServiceKey},
	{prefix: "NRAK-", set: setUpper, min: 27, class: ServiceKey},
	{prefix: "NRII-", set: setURL64, min: 32, class: ServiceKey},
	{prefix: "ntn_", set: setAlnum, min: 40, class: ServiceKey},
	{prefix: "nvapi-", set: setURL64, min: 60, class: ServiceKey},
	{prefix: "oy2", set: newAlphabet(digits + lowers), min: 43, exact: true, class: ServiceKey},
	{prefix: "p8e-", set: setAlnum, min: 32, class: ServiceKey},
	{prefix: "PMAK-", set: newAlphabet(hexes + "-"), min: 50, class: ServiceKey},
	{prefix: "pnu_", set: setAlnum, min: 36, class: ServiceKey},
	{prefix: "pplx-", set: setAlnum, min: 40, class: ServiceKey},
	{prefix: "pscale_", set: newAlphabet(wordlike + "-=."), min: 32, class: ServiceKey},
	{prefix: "pul-", set: setHex, min: 40, class: ServiceKey},
	{prefix: "r8_", set: setAlnum, min: 37, class: ServiceKey},
	{prefix: "rdme_", set: setAlnum, min: 60, class: ServiceKey},
	{prefix: "rubygems_", set: setHex, min: 48, class: ServiceKey},
	{prefix: "sbp_", set: setHex, min: 40, class: ServiceKey},
	{prefix: "sb_secret_", set: setURL64, min: 20, class: ServiceKey},
	{prefix: "sgp_", set: setWord, min: 40, class: ServiceKey},
	{prefix: "sha256~", set: setURL64, min: 43, class: ServiceKey},
	{prefix: "shippo_", set: setWord, min: 40, class: ServiceKey},
	{prefix: "shpat_", set: setHex, min: 32, class: ServiceKey},
	{prefix: "shpca_", set: setHex, min: 32, class: ServiceKey},
	{prefix: "shppa_", set: setHex, min: 32, class: ServiceKey},
	{prefix: "shpss_", set: setHex, min: 32, class: ServiceKey},
	{prefix: "sntrys_", set: newAlphabet(wordlike + "+/=-"), min: 40, class: ServiceKey},
	{prefix: "sntryu_", set: setHex, min: 64, class: ServiceKey},
	{prefix: "sq0atp-", set: setURL64, min: 22, class: ServiceKey},
	{prefix: "sq0csp-", set: setURL64, min: 40, class: ServiceKey},
	{prefix: "tfp_", set: setDotted, min: 40, class: ServiceKey},
	{prefix: "tk-us-", set: setURL64, min: 40, class: ServiceKey},
	{prefix: "tskey-", set: setURL64, min: 20, class: ServiceKey},
	{prefix: "v1.0-", set: newAlphabet(hexes + "-"), min: 150, class: ServiceKey},
	{prefix: "xai-", set: setAlnum, min: 60, class: ServiceKey},
	{prefix: "xkeysib-", set: setURL64, min: 64, class: ServiceKey},
}

// byFirst holds the shapes by the first byte of their prefix, longer prefixes
// first; pairs the first two bytes of all.
var byFirst, pairs = indexShapes()

func indexShapes() (index [256][]shape, set pairSet) {
	for _, s := range shapes {
		index[s.prefix[0]] = append(index[s.prefix[0]], s)
		set.add(s.prefix[0], s.prefix[1])
	}
	for i := range index {
		slices.SortFunc(index[i], func(a, b shape) int { return cmp.Compare(len(b.prefix), len(a.prefix)) })
	}
	for _, prefix := range []string{"ey", "bo"} { // see scanner.shape
		set.add(prefix[0], prefix[1])
	}
	return index, set
}

// pairSet is a set of pairs of bytes.
type pairSet [256][4]uint64

func (p *pairSet) add(a, b byte)      { p[a][b>>6] |= 1 << (b & 63) }
func (p *pairSet) has(a, b byte) bool { return p[a][b>>6]&(1<<(b&63)) != 0 }

// shape looks for a key that begins at from.
func (s *scanner) shape(from int) bool {
	t := s.text[from:]
	switch {
	case strings.HasPrefix(t, "eyJ"):
		return s.jwt(from)
	case strings.HasPrefix(t, "bot"):
		return s.telegram(from+len("bot"), setDigit.end(s.text, from+len("bot")))
	}
	shapes := byFirst[t[0]]
	for i := range shapes {
		sh := &shapes[i]
		if !strings.HasPrefix(t, sh.prefix) {
			continue
		}
		end := s.runEnd(sh.set, from+len(sh.prefix)) - from
		size := end - len(sh.prefix)
		if s.wildcards(from, from+end) {
			if 2*size < sh.min { // A wildcard may stand for more than one character.
				continue
			}
		} else if size < sh.min || sh.exact && (size > sh.min || end < len(t) && isAlnum(t[end])) {
			continue
		}
		if sh.digits > 0 && countDigits(t[:min(end, maxJudged)]) < sh.digits {
			continue
		}
		for t[end-1] == '.' { // the full stop of a sentence
			end--
		}
		begin := from
		if sh.keep {
			begin += len(sh.prefix)
		}
		s.add(begin, from+end, sh.class)
		return true
	}
	return false
}

// runEnd returns the end of the run of bytes of the set that begins at from.
func (s *scanner) runEnd(set *alphabet, from int) int {
	if set != setURL64 {
		return set.end(s.text, from)
	}
	if from < s.run.from || from > s.run.to {
		s.run = span{from: from, to: set.end(s.text, from)}
	}
	return s.run.to
}

func countDigits(s string) (n int) {
	for i := range len(s) {
		if isDigit(s[i]) {
			n++
		}
	}
	return n
}

// jwt looks for three parts of base64url with dots between, five if it is
// encrypted, of which the first is a JSON object. The second part of an encrypted
// one may be empty, and so may the last of one that is not signed.
func (s *scanner) jwt(from int) bool {
	t := s.text
	end := s.runEnd(setURL64, from)
	if end-from < 10 {
		return false
	}
	parts := 1
	for parts < 5 && end < len(t) && t[end] == '.' {
		more := end+1 < len(t) && (setURL64[t[end+1]] || parts == 1 && t[end+1] == '.')
		if !more && parts != 2 {
			break // the full stop of a sentence
		}
		end = s.runEnd(setURL64, end+1)
		parts++
	}
	if parts < 3 && !strings.Contains(t[from:end], ".eyJ") {
		return false
	}
	s.add(from, end, JWT)
	return true
}

// telegram looks for a bot's token: its number, which is from..to, a colon and 35
// characters.
func (s *scanner) telegram(from, to int) bool {
	t := s.text
	if to-from < 6 || to-from > 12 || to >= len(t) || t[to] != ':' {
		return false
	}
	end := setURL64.end(t, to+1)
	if size := end - to - 1; size < 33 || size > 40 {
		return false
	}
	s.add(from, end, TelegramToken)
	return true
}

// azureSecret looks for the secret of an Azure application: three characters, a
// digit, Q~ and 31 to 34 more. The ~ is at the given place.
func (s *scanner) azureSecret(at int) {
	t := s.text
	if at < 5 || t[at-1] != 'Q' || !isDigit(t[at-2]) {
		return
	}
	end := azureSet.end(t, at+1)
	if end-at-1 >= 31 {
		s.add(at-5, end, AzureKey)
	}
}

var azureSet = newAlphabet(wordlike + "-.~")
