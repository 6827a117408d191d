package logline

import "logsift/domain"

// plain is a time or a level in front of a text, in any layout that the package
// names. A line that says so and has no other format is plain: [Parser.scan] reads
// it.
var plain = format{
	name: "plain",
	examples: []string{
		`2026-03-01 10:11:12,345 ERROR [main] org.test.Main - cannot start`,
		`[2026-03-01 10:11:12] production.ERROR: cannot start`,
		`ERRO[0012] cannot start`,
	},
	products: []string{
		"java", "log4j", "logback", "spring", "python", "go", "zap", "zerolog", "ruby", "dotnet",
		"postgres", "postgresql", "mysql", "mariadb", "hdfs", "hadoop", "spark", "kafka", "zookeeper",
		"bgl", "healthapp", "openstack", "nezha", "windows", "cbs", "apache-error", "nginx-error", "tomcat",
	},
	behindTime: behindTornadoTime,
}

// behindTornadoTime reads the layout of Tornado and Jupyter, with a letter for the
// level before the time: [I 2026-03-01 10:11:12.345 app] text.
func behindTornadoTime(h Header, line string) (Header, bool) {
	n := h.TimeBegin
	if h.layout == layoutKlog || h.layout == layoutLogcat || n < 3 || line[n-1] != ' ' || line[n-3] != '[' || levelOfLetter(line[n-2]) == domain.LogLevelUnknown {
		return h, false
	}
	h.Level, h.TextBegin = levelOfLetter(line[n-2]), skipSeparators(headOf(line), h.TimeEnd)
	return h, true
}
