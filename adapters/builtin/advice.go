package builtin

import "logsift/domain"

// categories are phrases by what they are about; the first that is mentioned counts.
// What the system says of a call that failed comes first: of "LOGIN chdir failed: No such
// file or directory", the file is the cause.
var categories = []struct {
	category domain.AnomalyCategory
	phrases  []string
}{
	{domain.CategoryConfig, []string{
		"no such file or directory", "not a directory", "exec format error", "block device required", "does not exist",
		"unknown database", "mount failed", "forbidden by rule", "denied by server configuration",
	}},
	{domain.CategoryResource, []string{"input output error", "no space left"}},
	{domain.CategoryNetwork, []string{"reset by peer", "no route to host", "network is unreachable", "broken pipe"}},
	{domain.CategorySecurity, []string{
		"break-in", "break in", "attack*", "injection", "exploit*", "malicious", "intrusion", "brute force", "ignore previous instructions", "tamper*",
		"vulnerab*", "spoof*", "reverse mapping",
	}},
	{domain.CategoryAuth, []string{
		"password*", "passwd", "auth", "authenticat*", "authoriz*", "unauthori*", "login", "logged in", "logon", "permission*", "access denied", "forbidden", "privilege*",
		"role", "invalid user", "user unknown", "credential*", "token", "sudo", "session opened", "session closed", "kerberos", "ldap", "oauth",
		"certificate*", "captcha", "verification code", "verifycode", "publickey", "acl",
	}},
	{domain.CategoryResource, []string{
		"out of memory", "outofmemoryerror", "memory", "heap", "oom*", "too many", "not enough", "maxmemory", "disk", "storage",
		"quota", "connection slots", "limiting", "exhausted", "capacity", "overload*", "throttl*", "cpu usage", "cpu load", "cpu time", "cpu limit", "high cpu", "lockup", "file descriptors", "open files", "swap", "pool",
		"gc", "overrun", "overflow*", "stackoverflowerror", "temperature", "fan", "voltage", "power", "backlog", "rate limit", "buffer*",
	}},
	{domain.CategoryCrash, []string{
		"panic*", "segfault*", "segmentation", "signal", "sigterm", "sigkill", "core dumped", "crash*", "fatal exception", "interrupted", "terminat*", "killed", "abort*",
		"exited", "exit", "died", "nullpointerexception", "null pointer", "uncaught", "unhandled", "restart*", "shut* down", "shutdown", "coredump",
		"illegal instruction", "assert*", "stack trace", "traceback",
	}},
	{domain.CategoryData, []string{
		"corrupt*", "checksum*", "crc", "duplicate key", "constraint", "parity", "ecc", "deadlock*", "invalid data", "malformed", "parse*", "parsing", "decod*", "encod*",
		"syntax", "schema", "sql", "transaction*", "replica*", "block*", "data", "record*", "duplicate", "integrity", "json", "xml", "column", "table",
		"index*", "serializ*", "deserializ*", "numberformatexception", "inconsisten*", "cache", "alignment",
	}},
	{domain.CategoryDependency, []string{
		"upstream", "backend", "downstream", "gateway", "5xx", "database", "redis", "kafka", "zookeeper", "rabbitmq", "mysql", "mongodb", "postgres*",
		"service unavailable", "namenode", "datanode", "resourcemanager", "rpc", "worker*", "broker", "feign*", "eureka", "mod jk", "jk2*", "client", "rest",
	}},
	{domain.CategoryNetwork, []string{
		"connection*", "connect*", "disconnect*", "socket*", "timed out", "timeout*", "timedout", "unreachable", "reset by peer", "network*", "link", "broken pipe", "tcp", "udp",
		"dns", "peer", "remote", "packet*", "handshake", "ssl", "tls", "proxy", "route*", "routing", "interface", "port", "host*", "eof", "torus", "ethernet",
		"ftp", "http", "https", "hangup", "heartbeat*", "identification string", "request*", "url",
	}},
	{domain.CategoryConfig, []string{
		"config*", "option*", "parameter*", "setting*", "directive*", "propert*", "environment", "unknown directive", "does not exist", "not found", "no such", "missing",
		"undefined", "unrecognized", "unsupported", "deprecat*", "version", "directory", "file", "module*", "load*", "init*", "mount*",
	}},
}

// categoryOf is what lines are about.
func (t *words) categoryOf() domain.AnomalyCategory {
	for _, c := range categories {
		if t.mentions(c.phrases) {
			return c.category
		}
	}
	return domain.CategoryUnknown
}

// actions are what to do first, by category.
var actions = map[domain.AnomalyCategory]string{
	domain.CategoryResource:   "Check memory, disk space, open files and limits where this runs; free or add what is short.",
	domain.CategoryNetwork:    "Check that the other end is up and can be reached: address, port, name resolution, firewall and load.",
	domain.CategoryAuth:       "Check which account is used, what it may do, and whether its password, token or certificate expired; block the address if it is not yours.",
	domain.CategoryConfig:     "Compare the settings, files and versions with those of the last good deployment.",
	domain.CategoryDependency: "Look at the service that is called: its own log, its health and its latency.",
	domain.CategoryData:       "Find the record or file that the lines name, check it, and restore it from a backup or replica if it is damaged.",
	domain.CategoryCrash:      "Look at the last lines before this one and at the crash report; check that the process runs again.",
	domain.CategorySecurity:   "Check where it comes from and whether anything from there succeeded; block it if it is not yours.",
}

// actionOf is what a person can do first about an anomaly.
func actionOf(kind domain.AnomalyKind, category domain.AnomalyCategory, level domain.LogLevel) string {
	switch kind {
	case domain.AnomalyMissingEvent:
		return "Check that what writes this line still runs and gets work, and what changed when the line stopped."
	case domain.AnomalyFrequencyDrop:
		return "Check that what writes this line still gets work: its callers, its queue, its schedule."
	case domain.AnomalyNumericOutlier:
		return "Look at the lines around the outlying value: what was slow or large, and for whom."
	case domain.AnomalyCountVector:
		return "Follow one of the sessions line by line beside a usual one, and see where they part."
	case domain.AnomalyFrequencySpike:
		if level < domain.LogLevelWarn {
			return "See what caused the additional lines: more traffic, a retry loop or a changed log level."
		}
	case domain.AnomalyNewTemplate:
		if level < domain.LogLevelWarn {
			return "Check whether a deployment or a change of settings explains the new line."
		}
	case domain.AnomalyRareTemplate:
		if level == domain.LogLevelTrace || level == domain.LogLevelDebug || level == domain.LogLevelInfo {
			return "See what the line belongs to, and whether it is expected there: few lines are like it."
		}
	case domain.AnomalyErrorBurst, domain.AnomalyRecurringError, domain.AnomalySeverityShift:
	}
	if action, ok := actions[category]; ok {
		return action
	}
	if level >= domain.LogLevelError {
		return "Read the lines around the first one: the cause stands before it more often than in it."
	}
	return "Read the lines around the first one, and see whether a change at that time explains it."
}
