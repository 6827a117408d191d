// Package portstest holds the contracts of the driven ports as tests that every
// adapter passes: [TestStore] for what keeps tasks and logs, [TestLogAnalyzer] for
// analysers.
//
// A store's test makes a [Store], which is a fresh and isolated one with the roles that
// it plays and a clock that the suite moves, and calls TestStore; of the behaviour of
// the ports it then needs no tests of its own. Each case names the promise that it
// checks and prints it when it fails. The cases of a role that a store does not play,
// and those that need what it cannot do, are skipped by name.
//
// To add a case, put it into the table of its verb: taskqueue_enqueue.go,
// taskqueue_claim.go and so on. The package's own tests prove that a store which
// breaks a promise fails the case of that promise: add a sabotage for yours.
package portstest
