// Package faulttest breaks the system on purpose and says exactly what has to
// come of it: processes die and sleep, Redis goes away, fills up and forgets, the
// network loses what it carries, disks are full, clocks are wrong.
//
// Its tests run real processes (the test binary itself, as a worker, a whole
// product or a proxy), real Redis servers, a network namespace and a small file
// system. Each ends with an audit of the store ([logsift/ports.StoreVerifier]).
// This table says which test proves which scenario. The ids are those of the
// reliability requirements: P for processes, R for Redis, T for time. A file
// without a folder is one of this package, and "case" is a case of the suite in
// ports/portstest, which runs over every store. The test of the table fails if a
// scenario has no test, or a test is not there.
//
//	P1   process_test.go: TestProcessFaults/P1 a killed worker's tasks are claimable within the lease and two seconds, at no cost of a retry
//	P1   cmd/logsift/process_test.go: TestAKilledWorkersTasksAreWorkedAgain
//	P1   application/faults_test.go: TestReaper/a dead worker's task runs within its lease and two seconds
//	P2   process_test.go: TestProcessFaults/P2 a worker that slept through its lease changes nothing
//	P2   ports/portstest/taskqueue_settle.go: case/a lease that was recovered changes nothing any more
//	P3   process_test.go: TestProcessFaults/P3 a report that the network held back is refused by its fence
//	P4   process_test.go: TestProcessFaults/P4 a worker that slept for less than its lease completes its task
//	P5   process_test.go: TestProcessFaults/P5 a task that kills its workers ends as poison, and its neighbours complete
//	P5   process_test.go: TestProcessFaults/P5 long neighbours of a task that kills its workers complete
//	P5   process_test.go: TestProcessFaults/P5 a processor that ignores its time-out loses its task to another worker
//	P5   application/scheduler_test.go: TestWhatAProcessorDoesToItself
//	P5   application/scheduler_test.go: TestTimeOut/a processor that ignores it keeps its worker and loses its result
//	P5   ports/portstest/taskqueue_time.go: case/a task that kills its workers ends as poison
//	P6   cmd/logsift/signals_test.go: TestSignals/P6 at SIGTERM the running tasks finish, nothing more is claimed, and the status is 0
//	P6   bootstrap/app_test.go: TestADrainLetsARunningTaskFinish
//	P7   cmd/logsift/signals_test.go: TestSignals/P7 at the end of the drain time the running tasks are given back, and the status is 1
//	P7   application/drain_test.go: TestDrain/what does not finish in time is cancelled and given back uncounted
//	P8   cmd/logsift/signals_test.go: TestSignals/P8 a second signal ends the work within a second, with the status 1
//	P9   process_test.go: TestProcessFaults/P9 a worker that is killed while it drains leaves nothing half-written
//	P10  maintenance_test.go: TestMaintenanceFaults/P10 several recoverers and schedulers take each task back once
//	P10  application/faults_test.go: TestReaper/several maintainers take each task back once
//	P11  process_test.go: TestProcessFaults/P11 workers that die at random lose nothing and run little twice
//	P12  maintenance_test.go: TestMaintenanceFaults/P12 cleaning up takes what is old and finished, whole, and nothing else
//	P12  ports/portstest/taskqueue_time.go: case/finished tasks go after their retention and nothing else does
//
//	R1   redis_test.go: TestRedisFaults/R1 a killed Redis that syncs each second loses nothing, and all is back within five seconds
//	R1   application/faults_test.go: TestStoreOutage/a report is given up once its lease may be over
//	R1   cmd/logsift/process_test.go: TestRedisGoesAwayInTheMiddleOfTheWork
//	R2   redis_test.go: TestRedisFaults/R2 a killed Redis that syncs always loses nothing, and all is back within five seconds
//	R2   adapters/redisstore/faults_test.go: TestAcknowledgedTasksSurviveAKilledServer
//	R3   redis_test.go: TestRedisFaults/R3 a power cut loses the newest only, and leaves no impossible state
//	R4   redis_test.go: TestRedisFaults/R4 an outage costs an idle worker no processor time and few log lines, and is told
//	R4   application/faults_test.go: TestStoreOutage/a store that flaps costs at most a log line a second
//	R5   redis_test.go: TestRedisFaults/R5 a frozen Redis holds up neither calls nor the stop
//	R5   adapters/redisstore/faults_test.go: TestAFrozenServerDelaysNobodyForLong
//	R5   application/drain_test.go: TestDrain/a store that is down does not hold it up
//	R6   redis_test.go: TestRedisFaults/R6 a call whose reply was lost may be repeated
//	R6   redis_test.go: TestRedisFaults/R6 the same Idempotency-Key, fifty times at once, makes one task
//	R6   application/faults_test.go: TestLostReplies
//	R6   ports/portstest/taskqueue_claim.go: case/the same claim id gives the same tasks and no others
//	R6   ports/portstest/taskqueue_settle.go: case/a repeated report counts once
//	R7   network_test.go: TestNetworkFaults/R7 a bad network makes the work slower and nothing else
//	R8   network_test.go: TestNetworkFaults/R8 a worker behind a silent network stops its runs before others have them
//	R8   network_test.go: TestNetworkFaults/R8 a worker that no connection lets through stops its runs before others have them
//	R8   network_test.go: TestNetworkFaults/R8 a worker whose network link is down stops its runs before others have them [needs netns]
//	R8   application/faults_test.go: TestStoreOutage/runs whose leases end in it stop before, and run again
//	R9   redis_test.go: TestRedisFaults/R9 a full Redis refuses new tasks and lets running ones finish
//	R9   adapters/redisstore/faults_test.go: TestAFullServerRefusesTasksAndStillFinishesThem
//	R10  redis_test.go: TestRedisFaults/R10 a Redis that may evict is taken on demand only, with a warning in the statistics
//	R10  redis_test.go: TestRedisFaults/R10 the check needs no right to read the configuration
//	R10  adapters/redisstore/faults_test.go: TestOpenRefusesAServerThatWouldLoseTasks/an eviction policy that may drop tasks
//	R11  redis_test.go: TestRedisFaults/R11 a demoted master is told as read-only, and makes nobody busy
//	R11  redis_test.go: TestRedisFaults/R11 behind a demoted master the product is not ready
//	R11  adapters/redisstore/faults_test.go: TestOpenRefusesAServerThatWouldLoseTasks/a replica
//	R12  sentinel_test.go: TestSentinelFaults/R12 work goes on within ten seconds after a master died, and what was lost is counted
//	R12  sentinel_test.go: TestSentinelFaults/R12 a master that is to have a replica takes nothing without
//	R14  server_test.go: TestServerFaults/R14 a Redis that forgets its scripts all the time is not noticed
//	R14  server_test.go: TestServerFaults/R14 a Redis that restarts under load loses nothing
//	R14  adapters/redisstore/faults_test.go: TestForgottenScriptsAreLoadedAgain
//	R15  server_test.go: TestServerFaults/R15 a Redis that runs a slow script of another client is waited for, but not for long
//	R15  server_test.go: TestServerFaults/R15 a Redis that loads its data is waited for
//	R15  server_test.go: TestServerFaults/R15 connections that are killed all the time are not noticed
//	R15  server_test.go: TestServerFaults/R15 a Redis that pauses its clients is waited for, but not for long
//	R15  server_test.go: TestServerFaults/R15 an emptied Redis has its workers stop, and leaves no half tasks
//	R16  disk_test.go: TestDiskFaults/R16 a Redis whose disk is full takes no tasks and gives none out, and goes on by itself [needs tmpfs]
//	R16  disk_test.go: TestDiskFaults/R16 a Redis that syncs always and dies of a full disk has lost nothing [needs tmpfs]
//	R16  disk_test.go: TestDiskFaults/R16 an embedded store on a full disk refuses what does not fit and stays sound [needs tmpfs]
//	R17  corrupt_test.go: TestCorruptRecords/R17 records that cannot be read stop neither the workers nor the API
//	R17  corrupt_test.go: TestCorruptRecords/R17 payloads that are no task's fail for good and can be shown
//	R17  adapters/redisstore/verify_harm_test.go: TestGarbageStopsNobody
//	R17  adapters/redisstore/verify_test.go: TestTheQuarantineKeepsTheBytesOfARecord
//	R17  adapters/redisstore/verify_test.go: TestAKeyOfAnotherTypeIsMadeAnew
//	R18  size_test.go: TestSizes/R18 a body of 256 MiB is refused before it is read
//	R18  size_test.go: TestSizes/R18 an answer of 50 MiB from the AI is not read, reaches no store, and costs no analysis
//	R18  size_test.go: TestSizes/R18 a result of 50 MiB fails the task and reaches no store
//
//	T1   time_test.go: TestTimeFaults/T1 workers whose clocks are an hour behind or ahead of the store's change nothing
//	T2   time_test.go: TestTimeFaults/T2 a store whose clock steps back recovers nothing early, and retries late by the step at most
//	T2   time_test.go: TestTimeFaults/T2 a store whose clock steps forward may recover early, and keeps one completion
//	T3   application/scheduler_test.go: TestRetriesComeAfterOneFourAndNineMinutes
//	T3   application/faults_test.go: TestFinishedTasksArePurgedAfterTheirRetention
//	T3   ports/portstest/taskqueue_time.go: case/failed attempts run again after 1, 4 and 9 minutes and then no more
//
// [needs NAME] marks a test that cannot run on every machine: netns needs the right
// to make network namespaces, tmpfs to mount file systems, which is root in both
// cases. Where one cannot run it is skipped as "not run", and the test of the table
// logs it; with CI=true in the environment it fails.
package faulttest
