package domain

import (
	"slices"
	"strings"
)

// LogFormat is how the lines of a log are written. The zero value is
// LogFormatAuto.
type LogFormat uint8

// The formats that differ in how they are read.
const (
	// LogFormatAuto tells the format by the line, each for itself.
	LogFormatAuto LogFormat = iota
	// LogFormatText is text that says nothing of itself, or is not to be read: no
	// time, no level.
	LogFormatText
	// LogFormatPlain is a time or a level in front of a text, in any layout that
	// [ParseLogLine] names: Log4j, Python, Go, PostgreSQL, HDFS and many more.
	LogFormatPlain
	// LogFormatJSON is a JSON object on each line.
	LogFormatJSON
	// LogFormatLogfmt is key=value pairs, as of logrus, slog and go-kit.
	LogFormatLogfmt
	// LogFormatSyslog is RFC 5424, RFC 3164, and what journalctl prints.
	LogFormatSyslog
	// LogFormatAccess is the common and combined log format of web servers.
	LogFormatAccess
	// LogFormatKlog is that of Kubernetes and glog.
	LogFormatKlog
	// LogFormatLogcat is that of Android.
	LogFormatLogcat
	// LogFormatRedis is that of Redis and Valkey.
	LogFormatRedis
	// LogFormatContainer is what Kubernetes' container runtimes (CRI) write:
	// time, stream, tag, and the container's own line.
	LogFormatContainer
)

var logFormatNames = [...]string{"auto", "text", "plain", "json", "logfmt", "syslog", "access", "klog", "logcat", "redis", "container"}

// logFormatAliases are further names, by what writes the format.
var logFormatAliases = map[string]LogFormat{
	"raw": LogFormatText, "none": LogFormatText,
	"java": LogFormatPlain, "log4j": LogFormatPlain, "logback": LogFormatPlain, "spring": LogFormatPlain, "python": LogFormatPlain,
	"go": LogFormatPlain, "zap": LogFormatPlain, "zerolog": LogFormatPlain, "ruby": LogFormatPlain, "dotnet": LogFormatPlain,
	"postgres": LogFormatPlain, "postgresql": LogFormatPlain, "mysql": LogFormatPlain, "mariadb": LogFormatPlain,
	"hdfs": LogFormatPlain, "hadoop": LogFormatPlain, "spark": LogFormatPlain, "kafka": LogFormatPlain, "zookeeper": LogFormatPlain,
	"bgl": LogFormatPlain, "healthapp": LogFormatPlain, "openstack": LogFormatPlain, "nezha": LogFormatPlain,
	"windows": LogFormatPlain, "cbs": LogFormatPlain, "apache-error": LogFormatPlain, "nginx-error": LogFormatPlain, "tomcat": LogFormatPlain,
	"ndjson": LogFormatJSON, "jsonl": LogFormatJSON, "docker": LogFormatJSON, "mongodb": LogFormatJSON, "pino": LogFormatJSON, "bunyan": LogFormatJSON, "gelf": LogFormatJSON,
	"logrus": LogFormatLogfmt, "slog": LogFormatLogfmt,
	"rfc5424": LogFormatSyslog, "rfc3164": LogFormatSyslog, "journald": LogFormatSyslog, "journal": LogFormatSyslog,
	"apache": LogFormatAccess, "nginx": LogFormatAccess, "common": LogFormatAccess, "combined": LogFormatAccess, "clf": LogFormatAccess,
	"kubernetes": LogFormatKlog, "glog": LogFormatKlog,
	"android": LogFormatLogcat, "valkey": LogFormatRedis, "cri": LogFormatContainer,
}

// LogFormatNames are the names of the formats, without those by which
// [ParseLogFormat] knows them besides.
func LogFormatNames() []string { return slices.Clone(logFormatNames[:]) }

// ParseLogFormat reads the name of a format, or of a product whose logs have it,
// such as java, postgres, nginx or docker; "" is auto. The error is a
// *ValidationError for the field "format".
func ParseLogFormat(s string) (LogFormat, error) {
	if s == "" {
		return LogFormatAuto, nil
	}
	if i := slices.Index(logFormatNames[:], s); i >= 0 {
		return LogFormat(i), nil
	}
	if f, ok := logFormatAliases[s]; ok {
		return f, nil
	}
	return 0, &ValidationError{Field: "format", Value: cutString(s, 32), Rule: "must be one of " + strings.Join(logFormatNames[:], ", ") + ", or a product whose logs have such a format"}
}

// String returns the name of the format.
func (f LogFormat) String() string {
	if int(f) >= len(logFormatNames) {
		return logFormatNames[LogFormatAuto]
	}
	return logFormatNames[f]
}
