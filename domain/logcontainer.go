package domain

import (
	"strings"
	"time"
)

// parseContainer reads "stdout F " or "stderr P " behind the time of a line that
// a container runtime of Kubernetes wrote
// (https://github.com/kubernetes/design-proposals-archive, kubelet-cri-logging.md),
// and the container's own line after it. The time is that of the runtime, which
// has a zone; the rest is that of the inner line.
func (h *LogHeader) parseContainer(line string, now time.Time) bool {
	if h.layout != layoutFull || len(line) < h.TimeEnd+len(" stdout F") {
		return false
	}
	rest := line[h.TimeEnd:]
	stream := rest[1:7]
	if rest[0] != ' ' || rest[7] != ' ' || stream != "stdout" && stream != "stderr" {
		return false
	}
	tag, inner := cutWord(rest[8:])
	if tag != "F" && tag != "P" && !strings.HasPrefix(tag, "F:") && !strings.HasPrefix(tag, "P:") {
		return false
	}
	shift := len(line) - len(inner)
	in := LogParser{}.parse(inner, now, false)
	h.Format, h.Stream = LogFormatContainer, stream
	h.Level, h.Host, h.Program, h.PID, h.MessageID = in.Level, in.Host, in.Program, in.PID, in.MessageID
	h.TextBegin, h.TextEnd = shift+in.TextBegin, shift+in.TextEnd
	h.extraBegin, h.extraEnd = shift, len(line)
	return true
}
