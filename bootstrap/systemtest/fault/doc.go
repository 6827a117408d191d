// Package fault breaks the system on purpose and says exactly what must
// happen then: processes die and sleep, Redis goes away, fills up and forgets, the
// network loses what it carries, disks are full, clocks are wrong.
//
// Its tests run real processes (the test binary itself, as a worker, a whole
// product or a proxy), real Redis servers, a network namespace and a small file
// system. Each ends with an audit of the store ([logsift/ports.StoreVerifier]).
// This table says which test proves which scenario. The ids are those of the
// reliability requirements: P for processes, R for Redis, T for time. A file
// without a folder is one of this package, and "case" is a case of the suite in
// ports/portstest, which runs over every store. The test of the table fails if a
// scenario has no test, a test is not there, or one of this package proves nothing of it.
// What another package or the chaos run already proves has no test here.
//
//	P1   cmd/logsift/process_test.go: TestAKilledWorkersTasksAreWorkedAgain
//	P1   application/maintenance_test.go: TestReaper/a dead worker's task runs within its lease and two seconds
//	P1   bootstrap/systemtest/worker/worker_test.go: TestWorkersOfOtherLanguages
//	P2   bootstrap/workers_test.go: TestWorkersOverHTTP
//	P2   bootstrap/systemtest/chaos/chaos_test.go: TestChaos
//	P2   ports/portstest/taskqueue_settle.go: case/a lease that was recovered changes nothing any more
//	P3   process_test.go: TestProcessFaults/a report that the network held back is refused by its fence
//	P4   process_test.go: TestProcessFaults/a worker that slept for less than its lease completes its task
//	P5   process_test.go: TestProcessFaults/a task that kills its workers ends as poison, and its neighbours complete
//	P5   process_test.go: TestProcessFaults/long neighbours of a task that kills its workers complete
//	P5   application/scheduler_test.go: TestWhatAProcessorDoesToItself
//	P5   application/scheduler_test.go: TestTimeOut/a processor that ignores it keeps its worker and loses its result
//	P5   ports/portstest/taskqueue_time.go: case/a task that kills its workers ends as poison
//	P6   cmd/logsift/signals_test.go: TestSignals/at SIGTERM the running tasks finish, nothing more is claimed, and the status is 0
//	P6   application/drain_test.go: TestDrain
//	P7   cmd/logsift/signals_test.go: TestSignals/at the end of the drain time the running tasks are given back, and the status is 1
//	P7   application/drain_test.go: TestDrain/what does not finish in time is cancelled and given back uncounted
//	P8   cmd/logsift/signals_test.go: TestSignals/a second signal ends the work within a second, with the status 1
//	P9   process_test.go: TestProcessFaults/a worker that is killed while it drains leaves nothing half-written
//	P10  application/maintenance_test.go: TestReaper/several maintainers take each task back once
//	P10  process_test.go: TestProcessFaults/a recoverer that wakes up late finds nothing to do
//	P11  bootstrap/systemtest/chaos/chaos_test.go: TestChaos
//	P12  ports/portstest/taskqueue_time.go: case/finished tasks go after their retention and nothing else does
//
//	R1   application/faults_test.go: TestStoreOutage/a report is kept until the store answers
//	R1   cmd/logsift/process_test.go: TestRedisGoesAwayInTheMiddleOfTheWork
//	R2   adapters/redisstore/faults_test.go: TestAcknowledgedTasksSurviveAKilledServer
//	R2   bootstrap/systemtest/chaos/chaos_test.go: TestChaos
//	R3   redis_test.go: TestRedisFaults/a power cut loses the newest only, and leaves no impossible state
//	R4   redis_test.go: TestRedisFaults/an outage costs an idle worker no processor time and few log lines, and is reported
//	R4   application/faults_test.go: TestStoreOutage/a store that flaps costs at most a log line a second
//	R5   redis_test.go: TestRedisFaults/a frozen Redis holds up neither calls nor the stop
//	R5   adapters/redisstore/faults_test.go: TestAFrozenServerDelaysNobodyForLong
//	R5   application/drain_test.go: TestDrain/a store that is down does not hold it up
//	R6   redis_test.go: TestRedisFaults/a call whose reply was lost may be repeated
//	R6   adapters/httpapi/idempotency_test.go: TestIdempotencyKey
//	R6   adapters/httpapi/workers_test.go: TestARepeatedClaimGivesTheSameTasks
//	R6   adapters/httpapi/workers_test.go: TestTasksOfAClientThatIsGoneAreGivenBack
//	R6   application/faults_test.go: TestLostReplies
//	R6   ports/portstest/taskqueue_claim.go: case/the same claim id gives the same tasks and no others
//	R6   ports/portstest/taskqueue_settle.go: case/a repeated report counts once
//	R7   network_test.go: TestNetworkFaults/a bad network makes the work slower and nothing else
//	R8   network_test.go: TestNetworkFaults/a worker behind a silent network stops its runs before others have them
//	R8   network_test.go: TestNetworkFaults/a worker that no connection lets through stops its runs before others have them
//	R8   network_test.go: TestNetworkFaults/a worker whose network link is down stops its runs before others have them [needs netns]
//	R8   application/faults_test.go: TestStoreOutage/runs whose leases end in it stop before, and run again
//	R9   redis_test.go: TestRedisFaults/a full Redis takes neither tasks nor logs, and keeps nothing of them
//	R9   adapters/redisstore/full_test.go: TestWhatMustWorkWorksOnAFullServer
//	R10  redis_test.go: TestRedisFaults/a Redis that may evict is taken on demand only, with a warning in the statistics
//	R10  adapters/redisstore/secure_test.go: TestTheContractHoldsForALeastPrivilegedUserOverTLS
//	R10  adapters/redisstore/faults_test.go: TestOpenRefusesAServerThatWouldLoseTasks/an eviction policy that may drop tasks
//	R11  redis_test.go: TestRedisFaults/a demoted master is reported as read-only, and makes nobody busy
//	R11  adapters/redisstore/faults_test.go: TestOpenRefusesAServerThatWouldLoseTasks/a replica
//	R11  adapters/redisstore/ready_test.go: TestAStoreThatRefusesWritesIsNotReady
//	R12  adapters/redisstore/sentinel_test.go: TestASentinelGroup/goes on after its master has died
//	R12  adapters/redisstore/ready_test.go: TestAStoreThatRefusesWritesIsNotReady
//	R12  bootstrap/systemtest/chaos/chaos_test.go: TestChaosOnGroups
//	R14  adapters/redisstore/faults_test.go: TestForgottenScriptsAreLoadedAgain
//	R14  bootstrap/systemtest/chaos/chaos_test.go: TestChaos
//	R15  server_test.go: TestServerFaults/a Redis that runs a slow script of another client is waited for, but not for long
//	R15  server_test.go: TestServerFaults/a Redis that loads its data is waited for
//	R15  server_test.go: TestServerFaults/connections that are killed again and again are not noticed
//	R15  server_test.go: TestServerFaults/a Redis that pauses its clients is waited for, but not for long
//	R15  server_test.go: TestServerFaults/an emptied Redis has its workers stop, and leaves no half tasks
//	R15  adapters/redisstore/faults_test.go: TestAnEmptiedDatabaseLeavesNoHalfTasks
//	R16  disk_test.go: TestDiskFaults/a Redis whose disk is full takes no tasks and gives none out, and goes on by itself [needs tmpfs]
//	R16  disk_test.go: TestDiskFaults/a Redis that syncs always and dies of a full disk has lost nothing [needs tmpfs]
//	R16  disk_test.go: TestDiskFaults/an embedded store on a full disk refuses what does not fit and stays sound [needs tmpfs]
//	R17  corrupt_test.go: TestCorruptRecords/records that cannot be read stop neither the workers nor the API
//	R17  corrupt_test.go: TestCorruptRecords/payloads that are no task's fail for good and can be shown
//	R17  adapters/redisstore/verify/harm_test.go: TestGarbageStopsNobody
//	R17  adapters/redisstore/verify/verify_test.go: TestTheQuarantineKeepsTheBytesOfARecord
//	R17  adapters/redisstore/verify/verify_test.go: TestAKeyOfAnotherTypeIsMadeAnew
//	R18  size_test.go: TestSizes/a body of 256 MiB is refused before it is read
//	R18  size_test.go: TestSizes/an answer of 50 MiB from the AI is not read, reaches no store, and costs no analysis
//	R18  size_test.go: TestSizes/a result of 50 MiB fails the task and reaches no store
//
//	T1   time_test.go: TestTimeFaults/workers whose clocks are an hour behind or ahead of the store's change nothing
//	T2   time_test.go: TestTimeFaults/a store whose clock steps back recovers nothing early, and retries late by the step at most
//	T2   time_test.go: TestTimeFaults/a store whose clock steps forward may recover early, and keeps one completion
//	T3   application/scheduler_test.go: TestRetriesComeAfterOneFourAndNineMinutes
//	T3   application/maintenance_test.go: TestFinishedTasksArePurgedAfterTheirRetention
//	T3   ports/portstest/taskqueue_time.go: case/failed attempts run again after 1, 4 and 9 minutes and then no more
//
// [needs NAME] marks a test that cannot run on every machine: netns needs the right to
// make network namespaces, tmpfs to mount file systems, and root has both. Where one
// cannot run it is skipped as "not run", and the test of the table logs it; with CI=true
// in the environment it fails.
package fault
