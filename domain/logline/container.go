package logline

import (
	"encoding/json"
	"strings"
	"time"
)

// The streams of a container.
const (
	streamOut   = "stdout"
	streamError = "stderr"
)

// container is what Kubernetes' container runtimes write: time, stream, tag, and
// the container's own line.
var container = format{
	name:       "container",
	examples:   []string{`2026-03-01T10:11:12.345Z stderr F cannot start`},
	products:   []string{"cri"},
	behindTime: behindContainerTime,
}

// behindContainerTime reads "stdout F " or "stderr P " behind the time at the begin
// of a line (https://github.com/kubernetes/design-proposals-archive,
// kubelet-cri-logging.md).
func behindContainerTime(h Header, line string) (Header, bool) {
	if h.TimeBegin > 0 || h.layout != layoutFull || len(line) < h.TimeEnd+len(" stdout F") {
		return h, false
	}
	rest := line[h.TimeEnd:]
	stream := rest[1:7]
	if rest[0] != ' ' || rest[7] != ' ' || stream != streamOut && stream != streamError {
		return h, false
	}
	tag, inner := cutWord(rest[8:])
	if tag != "F" && tag != "P" && !strings.HasPrefix(tag, "F:") && !strings.HasPrefix(tag, "P:") {
		return h, false
	}
	h.Stream = stream
	h.part = tag[0] == 'P'
	h.extraBegin, h.extraEnd = len(line)-len(inner), len(line)
	return h, true
}

// addInner adds what the container's own line says of itself. The time is that of
// the runtime, which has a zone.
func (h *Header) addInner(line string, now time.Time) {
	shift := h.extraBegin
	in := Parser{}.parse(line[shift:], now, false)
	h.Level, h.Host, h.Program, h.PID, h.MessageID = in.Level, in.Host, in.Program, in.PID, in.MessageID
	h.TextBegin, h.TextEnd = shift+in.TextBegin, shift+in.TextEnd
}

// dockerPart is up to how many bytes of a line Docker writes into one record.
const dockerPart = 16 << 10

// isPart reports whether a record of a container goes on in its stream's next one:
// Kubernetes' runtimes say so, and Docker leaves the line's end out. Some shippers take
// the ends off all records, so that those without one are parts only behind some that
// have it, or as long as Docker makes them.
func (j *Joiner) isPart(h *Header, line string) bool {
	if h.Format != FormatJSON || h.Stream == "" || h.TextBegin == 0 {
		return h.part
	}
	text := line[h.TextBegin:h.TextEnd]
	if strings.HasSuffix(text, `\n`) {
		j.lineEnds = true
		return false
	}
	return j.lineEnds || len(text) >= dockerPart
}

// unwrap returns what a container's own program wrote of a line, and its header: of
// a line in no container, the line and the header that it is given. A record of
// Docker may stand in one of CRI.
func unwrap(h Header, line string) (Header, string) {
	for {
		inner := line
		switch {
		case h.Format == FormatContainer:
			inner = line[h.extraBegin:]
		case h.Format == FormatJSON && h.Stream != "" && h.TextBegin > 0:
			inner = dockerText(line[h.TextBegin:h.TextEnd])
		}
		if len(inner) == len(line) || isBlank(inner) && h.Format == FormatJSON && !json.Valid([]byte(line)) {
			return h, line // What is broken is never taken for blank.
		}
		h, line = Parser{}.parse(inner, h.Time, false), inner
	}
}

// dockerText is a line as Docker wrote it into JSON, without its end and with its
// first tab.
func dockerText(s string) string {
	s = strings.TrimSuffix(s, `\n`)
	if rest, ok := strings.CutPrefix(s, `\t`); ok {
		return "\t" + rest
	}
	return s
}
