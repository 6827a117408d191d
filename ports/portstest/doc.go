// Package portstest holds the contracts of the driven ports as tests that every
// adapter passes: [TestTaskQueue], [TestTaskEvents], [TestLogRepository] and
// [TestLogAnalyzer].
//
// An adapter's test makes a harness, which is a fresh and isolated store with a
// clock that the suite moves, and calls the suite; of the port's behaviour it then
// needs no tests of its own. Each case names the promise that it checks and
// prints it when it fails. What a store cannot do by its nature it declares as a
// missing feature; the cases that need it are skipped by name.
//
// To add a case, put it into the table of its verb: taskqueue_enqueue.go,
// taskqueue_claim.go and so on. The package's own tests prove that a queue which
// breaks a promise fails the case of that promise.
package portstest
