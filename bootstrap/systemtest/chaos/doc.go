// Package chaos runs the whole product as real processes, breaks them, and
// judges afterwards from what each of them wrote down whether the queue has kept
// its promises. It is test support; nothing of it is in the program.
//
// # How it works
//
// A [Cluster] is a redis-server, two "serve" processes with the real HTTP API,
// four "worker" processes with a real scheduler on redisstore, and toxiproxy
// between some of them and Redis. All but Redis are the test binary, started
// again ([ChildMain]). A [Client] enqueues, cancels, reruns, deletes and looks at
// tasks over HTTP, sends log lines, and cancels and deletes the tasks that are to
// analyse them. A [Probe] of each serve asks all the time whether it works, and
// whether it says that it is ready. A [Plan], made of a seed, says what is broken
// when; nemesis.go has the table of all faults, what each needs and within how long
// all have to be back after it. About a quarter of a plan is calm.
//
// TestChaosOnGroups does the same on a Redis Cluster of three masters with replicas,
// with a queue of six partitions, and on Sentinel groups. Their clients go to the
// addresses that the nodes tell, so there is no proxy, and of the faults of Redis
// only SCRIPT FLUSH and CLIENT KILL on every node; then a master dies.
//
// TestChaosOfWorkflows runs random graphs of tasks on processes that are killed one after
// the other, on Redis and on SQLite. Its judge knows how each task has to end.
//
// TestAnOlderBuildBeside runs two builds of the whole program on one Redis
// ([Upgrade]). Their workers write no history, so less is judged.
//
// TestChaosOfLimits has three workers on Redis, and on a file of SQLite, run tasks that are
// under limits, while they are killed and paused and the limits change ([LimitStorm]).
//
// Every client of the queue writes its own history, a file of JSON lines
// ([Event]), before and after each call: the workers by [Recorded], a decorator
// of ports.TaskQueue, the client by itself. Processors write when they start and
// end ([Run]). Nothing that is judged comes from the store alone.
//
// When the plan is over, everything is mended and the queue has to drain. Then
// [Judge] compares the histories with the store, and checks the fences of each task as
// those of a linearizable object ([CheckFencing]). Each [Invariant] that does not hold is
// a [Violation]. A call that timed out or whose process died is unknown:
// it may have happened, or may happen later.
//
// Redis may go back to an earlier state: an older copy is restored, or a replica
// that lacks the last writes takes over. Each [Rollback] has the two times between which
// the state that came back was taken. What was acknowledged after it, and ended
// before the newer state did, is undone; what overlaps either time is unknown. So
// [Verdict] judges the history that is left, in full, and counts what was lost.
//
// # How to read a failure
//
// A violation names its invariant, the task, and what was expected. The test's
// artifact folder (go test -artifacts keeps it) has plan.json with what was
// broken when, one history file for each process and start ("worker-1.2.jsonl" is
// the second start), the standard error of each, and fencing.html, which shows the
// history of the task whose fences are wrong. grep for the task's id in *.jsonl.
//
// # How to rerun a seed
//
//	cd bootstrap/systemtest
//	go test ./chaos -run 'TestChaos$/seed_7$' -chaos.seeds 7 -artifacts -outputdir /tmp
//
// The seed fixes the plan and the load, not what the machine makes of their
// timing, so a rare failure may need several runs (-count).
//
// # How it is known to find something
//
// judge_test.go gives the judge histories that each break one invariant. The
// build tag mutants compiles small faults into redisstore's scripts, and
// TestMutantsAreCaught has to find each of them with the same driver and judge.
package chaos
