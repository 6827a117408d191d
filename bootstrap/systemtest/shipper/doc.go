// Package shipper sends logs with the shippers that people already run, real
// programs all of them, to a real server: rsyslog, syslog-ng, an OpenTelemetry
// Collector, and the log libraries of Node.js.
//
// Its tests need the build tag shippers, and the programs in the folder that
// LOGSIFT_SHIPPERS names; the script .ci/shippers puts them there. A program that
// is missing fails its test.
package shipper
