package openai

import (
	"regexp"
	"strings"
)

// said makes a text of the service ready to be kept: clean, at most limit bytes, and
// without what a page or a terminal that shows it could act on.
func said(s string, limit int) string {
	return clean(inert(clean(s, limit)), limit)
}

// markup matches what Markdown and HTML act on: an image, the address of a link or
// of a reference, and the begin of a tag.
var markup = regexp.MustCompile(`!+\[|\]+[(:]|<+[A-Za-z/!?]`)

// placeholder matches what stands for a secret in what was sent.
var placeholder = regexp.MustCompile(`^<SECRET:[a-z0-9_]+:[0-9]+>`)

// inert returns s as text that stays text where it is shown as Markdown or HTML: an
// image would be fetched, and tell whoever made the model write it what is in its
// address. Addresses stay readable.
func inert(s string) string {
	var out strings.Builder
	for {
		at := markup.FindStringIndex(s)
		if at == nil {
			break
		}
		begin, end := at[0], at[1]
		out.WriteString(s[:begin])
		found := s[begin:end]
		s = s[end:]
		switch found[0] {
		case '!':
			out.WriteByte('[')
		case ']':
			out.WriteString("] " + found[len(found)-1:])
		default:
			if tag := found[len(found)-2:]; placeholder.MatchString(tag + s) {
				out.WriteString(tag)
			} else {
				out.WriteString("‹" + tag[1:])
			}
		}
	}
	out.WriteString(s)
	return out.String()
}
