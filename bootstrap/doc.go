// Package bootstrap puts logsift together: it reads the configuration, chooses
// the adapters that it names, wires them to the application with fx, and starts
// and stops the whole in the right order. It is the only room that knows all
// others; nothing but cmd imports it.
//
// A store comes first and goes last; the API starts before the scheduler and
// stops after it, so that it tells of the draining.
package bootstrap
