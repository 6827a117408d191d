package openai

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"logsift/adapters/openai/redact"
	"logsift/domain"
)

const (
	// maxInstructed bounds how much of a line is read for instructions.
	maxInstructed = 4 << 10
	// leftOut stands for a text that is not sent.
	leftOut = "(left out: it is written as an instruction to a language model)"
	// injectionTemplate is the template of the anomaly that such lines are.
	injectionTemplate = "lines that are written as instructions to a language model"
	// maxServices bounds the sources that the anomaly names.
	maxServices = 20
)

// Groups of words. Every instruction of the rules has a word of one of the first, or
// words of several of the others.
const (
	cueAlone = 1 << iota
	cueAside
	cueOrders
	cueJudge
	cueSeverity
	cueGreet
	cueModel
	cueNot
	cueTell
	cueThing
	cueSay
	cueOnly
)

// cues holds the groups of words. Few lines of most logs have enough of them to be
// read closely.
var cues = func() map[string]uint16 {
	out := map[string]uint16{}
	for group, words := range map[uint16]string{
		cueAlone: `instructions prompt prompts jailbreak ai llm llms gpt chatgpt claude gemini copilot assistant chatbot anomaly anomalies
			findings explanation suggested_action you your pretend roleplay unrestricted henceforth im_start im_end endoftext inst sys tool_calls function_call
			anweisungen instrucciones istruzioni`,
		cueAside:    `ignore ignores disregard forget override overrule bypass discard`,
		cueOrders:   `instruction guidelines directive directives rules orders messages message context constraints training policy policies everything anything all`,
		cueJudge:    `set mark change lower reduce downgrade classify report rate treat use to`,
		cueSeverity: `severity relevance`,
		cueGreet:    `dear hey hello hi attention note notice important`,
		cueModel:    `model models`,
		cueNot:      `not don never stop`,
		cueTell:     `report mention flag include list show raise output explain analyze analyse analyzing analysing`,
		cueThing:    `lines line errors error this these it`,
		cueSay:      `respond answer reply say respuesta`,
		cueOnly:     `only exactly everything well following nothing`,
	} {
		for _, word := range strings.Fields(words) {
			out[word] |= group
		}
	}
	return out
}()

// combined are the sets of groups that make a line worth reading.
var combined = [...]uint16{
	cueAlone, cueAside | cueOrders, cueJudge | cueSeverity, cueGreet | cueModel, cueNot | cueTell | cueThing, cueSay | cueOnly,
}

// foreign are words that are enough in scripts without spaces or case.
var foreign = []string{"忽略", "无视", "無視", "무시", "гнорируй", "абудь", "تجاهل", "अनदेखा", "instruções", "talimatlar"}

// maxCue is the length of the longest cue.
const maxCue = 16

// cueStarts are the first two letters of the cues.
var cueStarts = func() (out [256][256]bool) {
	for word := range cues {
		out[word[0]][word[1]] = true
	}
	return out
}()

// target is what an instruction wants to be put aside.
const target = `(?:instructions?|prompts?|guidelines?|directives?|rules?|orders|messages?|context|constraints|training|polic(?:y|ies)|everything|all)`

// instructions are the rules. They read lower-case text of one space between words.
var instructions = []*regexp.Regexp{
	// To put the real instructions aside.
	regexp.MustCompile(`\b(?:ignore|disregard|forget|override|overrule|bypass|discard)\b(?: \w+){0,3} (?:previous|prior|above|preceding|earlier|foregoing|your|system|initial|original|developer)\b(?: \w+){0,3} ?` + target),
	regexp.MustCompile(`\b(?:ignore|disregard|forget) (?:all|everything|anything)(?: \w+){0,3} (?:above|before|told|said|so far|instructions|prompts?|rules)\b`),
	regexp.MustCompile(`\b(?:ignore|disregard|forget) (?:all|any|the|these|those) (?:\w+ )?(?:instructions|prompts?|guidelines|directives)\b`),
	regexp.MustCompile(`\b(?:new|updated|revised|real|actual|secret|hidden) (?:system )?(?:instructions?|prompt|directives?) ?[:=-]`),
	regexp.MustCompile(`\b(?:ignorier\w*|vergiss)\b.{0,40}\banweisungen\b|\b(?:ignorez|oubliez|ignore)\b.{0,40}\bles instructions\b|\b(?:ignor[ae]|olvid[ae])\b.{0,40}\binstrucciones\b|\b(?:ignor[ae]|esqueça)\b.{0,40}instruções|\b(?:ignora|dimentica)\b.{0,40}\bistruzioni\b|talimatları.{0,30}(?:yok say|görmezden gel)`),
	regexp.MustCompile(`(?:игнорируй|забудь).{0,40}(?:инструкции|указания)|(?:忽略|无视|無視).{0,12}(?:指令|指示|提示|规则)|(?:指示|命令|プロンプト).{0,8}無視|(?:지시|명령|프롬프트).{0,12}무시|تجاهل.{0,30}التعليمات|अनदेखा.{0,30}निर्देश|निर्देशों.{0,20}अनदेखा`),
	// To be somebody else.
	regexp.MustCompile(`\byou are (?:now|no longer) (?:an?|the|in|dan|bound|my)\b|\b(?:from now on|henceforth),? (?:you|act|respond|answer|treat|report)\b|\b(?:act|behave|respond|roleplay|role-play) as (?:if you|an? (?:ai|llm|assistant|unrestricted|helpful))\b|\bpretend (?:to be|you are|that you)\b|\b(?:developer|dan|jailbreak|god|debug) mode (?:is )?(?:now )?(?:on|enabled|activated)\b`),
	// To be addressed.
	regexp.MustCompile(`\b(?:dear|hey|hello|hi|attention|note to|instructions? (?:for|to)|important:? (?:for|to)) (?:the |any |all |you,? )?(?:ai|llms?|gpt|chatgpt|claude|gemini|copilot|language models?|assistants?|chatbots?|models?|analyst ai|log analy[sz]ers?)\b|\b(?:ai|llm|gpt|chatgpt|claude|gemini|assistant|language model)s? (?:reading|analy[sz]ing|processing|summari[sz]ing|must|should now|shall|please)\b`),
	// The marks between the messages of a conversation.
	regexp.MustCompile(`<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|start_header_id)\|>|\[/?inst\]|<<sys>>|<start_of_turn>|###? ?(?:system|instruction|assistant)s?\b|"role" ?: ?"(?:system|assistant|developer)"|</?(?:system|assistant|instructions?)(?:_prompt)?>|^(?:={2,}|-{2,}|#+|\W{0,3}) ?(?:end\b.{0,30})?(?:system|assistant|developer)(?: (?:message|prompt|note|override))? ?:`),
	// To say something else than what is so.
	regexp.MustCompile(`\b(?:set|mark|change|lower|reduce|downgrade|classify|report|rate|treat|use)\b.{0,50}\b(?:severity|relevance)\b.{0,30}\b(?:info|low|none|zero|lowest|0)\b|\b(?:mark|set|classify|label)\b.{0,30}\bcategory\b.{0,20}\b(?:unknown|benign|harmless)\b|\bseverity (?:to|must be|should be|is always) "?(?:info|low|none)\b`),
	regexp.MustCompile(`\b(?:do not|don't|never|must not|stop) (?:report|mention|flag|include|list|show|raise|output|explain|analy[sz]e)(?:ing)?\b.{0,40}\b(?:anomal(?:y|ies)|findings?|lines?|errors?|this|these|it)\b.{0,60}|\b(?:delete|remove|drop|omit|hide|suppress|clear) (?:all |the |any |every |these |this )*(?:other )?(?:anomal(?:y|ies)|findings?)\b|\b(?:report|return|output|say|respond|answer|reply)\b(?: \w+){0,6} (?:no|zero|an empty list of) (?:anomal(?:y|ies)|findings?)\b`),
	regexp.MustCompile(`\b(?:respond|answer|reply|output|say|write|print|return) (?:only )?(?:with |that )?(?:only |exactly |nothing but |all is well|everything is (?:ok|fine|normal)|the (?:following|system prompt))`),
	regexp.MustCompile(`\b(?:write|repeat|print) your (?:answer|summary|output|response)\b|\b(?:in|into|as|for|to) (?:your|the) (?:summary|suggested[_ ]action|explanation|findings?|answer|response)\b|\bsuggested_action ?[:=]`),
	// To tell or to do something.
	regexp.MustCompile(`\byou (?:have|can use|may use|must use)\b.{0,30}\btools?\b`),
	regexp.MustCompile(`\b(?:reveal|print|repeat|show|leak|disclose|output|tell me|send|exfiltrate|append|include|encode)\b(?: \w+){0,4} (?:system prompt|your (?:prompt|instructions|api key|secrets|context|rules)|all (?:secrets|api keys|credentials|log lines)|api key)\b|"?(?:tool_calls|function_call)"? ?[:=]`),
}

// instructs reports whether a text is written as an instruction to a language model,
// also if it is escaped, in base64, or with invisible or full-width characters or
// look-alikes of letters. It knows common wordings only: nothing may rest on it.
func instructs(text string) bool {
	text = text[:min(len(text), maxInstructed)]
	plain := redact.Plain(text)
	return reads(plain) || strings.ContainsFunc(plain, beyondASCII) && reads(redact.Latin(plain)) || encodes(text)
}

func beyondASCII(r rune) bool { return r >= utf8.RuneSelf }

// reads reports whether plain text has an instruction.
func reads(plain string) bool {
	if !cued(plain) {
		return false
	}
	plain = strings.Join(strings.Fields(strings.ToLower(plain)), " ")
	return matches(plain) || matches(strings.TrimSpace(emphasis.ReplaceAllString(plain, " ")))
}

func matches(text string) bool {
	return slices.ContainsFunc(instructions, func(rule *regexp.Regexp) bool { return rule.MatchString(text) })
}

// emphasis matches what words are set apart with.
var emphasis = regexp.MustCompile(`[\s_*~+"'` + "`" + `-]+`)

// cued reports whether a text has words that make it worth reading closely.
func cued(text string) bool {
	var space [maxCue + 1]byte
	word := space[:0]
	var groups uint16
	other := false
	for i := 0; i <= len(text); i++ {
		c := byte(' ')
		if i < len(text) {
			c = text[i]
		}
		if lower := c | 0x20; lower >= 'a' && lower <= 'z' || c == '_' {
			if c == '_' {
				lower = c
			}
			if len(word) <= maxCue { // a longer one is no cue
				word = append(word, lower)
			}
			continue
		}
		other = other || c >= utf8.RuneSelf
		if len(word) >= 2 && cueStarts[word[0]][word[1]] {
			groups |= cues[string(word)]
		}
		if strings.IndexByte(":>|]\"", c) >= 0 && names(string(word)) {
			return true
		}
		word = word[:0]
	}
	for _, set := range combined {
		if groups&set == set {
			return true
		}
	}
	return other && slices.ContainsFunc(foreign, func(word string) bool { return strings.Contains(text, word) })
}

// names reports whether a word is the name of one who takes part in a conversation,
// as it stands in the marks between messages.
func names(word string) bool {
	return word == "system" || word == "assistant" || word == "developer" || word == "instructions" || word == "system_prompt"
}

// minEncoded is the least length of base64 that can hold an instruction, and
// maxDecoded bounds how many words of a line are decoded.
const (
	minEncoded = 28
	maxDecoded = 8
)

// encodes reports whether a word of a text is base64 of an instruction.
func encodes(text string) bool {
	begin, tries := 0, 0
	for i := 0; i <= len(text); i++ {
		if i < len(text) && base64Byte[text[i]] {
			continue
		}
		if i-begin >= minEncoded {
			word := text[begin:i]
			if out, ok := decode(word[:minEncoded]); ok && utf8.ValidString(out) && !strings.ContainsFunc(out, unicode.IsControl) {
				if out, _ = decode(word); reads(out) {
					return true
				}
				if tries++; tries == maxDecoded {
					return false
				}
			}
		}
		begin = i + 1
	}
	return false
}

// decode decodes what is whole of a word of base64 in either alphabet.
func decode(word string) (string, bool) {
	coding := base64.RawStdEncoding
	if strings.ContainsAny(word, "-_") {
		coding = base64.RawURLEncoding
	}
	out, err := coding.DecodeString(word[:len(word)/4*4])
	return strings.ToValidUTF8(string(out), ""), err == nil
}

var base64Byte = func() (out [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_") {
		out[c] = true
	}
	return out
}()

// flagInstructions adds the anomaly that lines are written as instructions to a
// language model, if there are any: somebody puts text into the logs to steer who
// reads them. It is this package's own finding, and is not sent to the service.
func flagInstructions(r *domain.AnalysisResult, logs []domain.LogEntry) {
	a := domain.Anomaly{
		ID:   hash("local", string(domain.CategorySecurity), injectionTemplate)[:16],
		Kind: domain.AnomalyRareTemplate, Category: domain.CategorySecurity, Severity: domain.SeverityMedium,
		Score: 0.7, Confidence: 0.7, Template: injectionTemplate, Source: "local", LogIDs: []domain.LogID{}, SampleLines: []string{},
		Explanation:     "Some lines read as if they were meant for an AI that analyses the logs. Whoever can write into them may try to hide something or to mislead the analysis.",
		SuggestedAction: "Find out which input these lines come from, and look at what else came from there.",
	}
	for i := range logs {
		e := &logs[i]
		if !instructs(e.Message) {
			continue
		}
		a.Count++
		if len(a.LogIDs) < domain.MaxAnomalyLogIDs {
			a.LogIDs = append(a.LogIDs, e.ID)
		}
		if len(a.SampleLines) < domain.MaxAnomalySamples {
			a.SampleLines = append(a.SampleLines, clean(e.Message, domain.MaxSampleLine))
		}
		if source := clean(e.Source, domain.MaxLogSource); source != "" && len(a.Services) < maxServices && !slices.Contains(a.Services, source) {
			a.Services = append(a.Services, source)
		}
		if !e.Timestamp.IsZero() {
			if a.FirstSeen.IsZero() || e.Timestamp.Before(a.FirstSeen) {
				a.FirstSeen = e.Timestamp
			}
			if e.Timestamp.After(a.LastSeen) {
				a.LastSeen = e.Timestamp
			}
		}
	}
	if a.Count == 0 {
		return
	}
	a.Evidence = fmt.Sprintf("%d of %d lines are written as instructions to a language model", a.Count, len(logs))
	if len(r.Anomalies) >= domain.MaxAnomalies {
		r.Anomalies, r.Truncated = r.Anomalies[:domain.MaxAnomalies-1], true
	}
	at, _ := slices.BinarySearchFunc(r.Anomalies, a.Severity, func(other domain.Anomaly, s domain.Severity) int { return cmp.Compare(s, other.Severity) })
	r.Anomalies = slices.Insert(slices.Clip(r.Anomalies), at, a)
	r.Severity = max(r.Severity, a.Severity)
	r.Summary = cmp.Or(r.Summary, "no other anomalies") + " " + a.Evidence + "."
}
