// Package bootstrap puts logsift together: it reads the configuration, chooses
// the adapters that it names, wires them to the application with fx, and starts
// and stops the whole in the right order. It is the only room that knows all
// others; only cmd and the tests in bootstrap/systemtest import it.
//
// The store opens first and closes last. The API starts before the scheduler and stops
// after it, so that it can report the draining.
package bootstrap
