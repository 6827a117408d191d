// Package logline reads lines of text: the time, the level and the attributes of a line
// ([Parser]), what the lines of one log say together of their dates ([Dates]), and which
// lines belong together ([Joiner]). [Names] is the one table of the names of fields.
//
// It knows RFC 3339 and ISO 8601, syslog (RFC 5424 with its structured data, and
// RFC 3164) and journalctl, JSON by the usual field names, logfmt, the access and
// error logs of Apache and nginx, klog, Log4j and Logback, Python, Go, Ruby, .NET,
// Tomcat, Android, Redis, PostgreSQL, MySQL, MongoDB, Kafka, Docker and CRI,
// Windows' CBS, Cisco, WebLogic, gin, Rails, Monolog, HDFS, Spark, BGL, OpenStack, auditd, and seconds to nanoseconds
// since 1970. The line of an access log has the level of its status: error from 500,
// warn from 400, info below.
//
// The package is as pure as domain.
package logline
