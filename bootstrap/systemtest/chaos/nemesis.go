package chaos

import "time"

// Fault is a kind of trouble.
type Fault string

// The faults. Those of a process or a proxy name it; each lasts for Step.For,
// where it can last.
const (
	Calm             Fault = "calm"
	FaultKill        Fault = "kill"         // SIGKILL, started again at the end
	FaultPause       Fault = "pause"        // SIGSTOP, SIGCONT at the end
	FaultRedisKill   Fault = "redis_kill"   // SIGKILL, started again at the end
	FaultRedisPause  Fault = "redis_pause"  // SIGSTOP, SIGCONT at the end
	FaultRedisFull   Fault = "redis_full"   // Redis refuses what needs memory
	FaultRestore     Fault = "restore"      // a backup of Redis, which is restored at the end
	FaultScriptFlush Fault = "script_flush" // Redis, each node of it, forgets its scripts
	FaultClientKill  Fault = "client_kill"  // Redis, each node of it, ends all connections
	FaultLinkCut     Fault = "link_cut"     // the replica gets nothing more until it is the master
	FaultMasterKill  Fault = "master_kill"  // SIGKILL of a master, whole again at the end
	FaultCut         Fault = "cut"          // the proxy ends its connections and takes no new ones
	FaultToxic       Fault = "toxic"        // Step.Toxic, then the connections are cut
)

// needs says what a fault can be done to.
type needs int

const (
	aProcess  needs = iota // any system has those
	aProxy                 // before the process that the step names
	anyRedis               // each node of it
	oneServer              // a Redis that is no group
	aReplica               // a group that has one of a master
	aLink                  // between them, that can be cut
)

// nemesis does a fault.
type nemesis struct {
	needs needs
	// within is how long after its end the processes that it has hit, all of them if
	// it is one of Redis, have to be back by themselves.
	within time.Duration
	// brief is whether what it breaks works again once begin returns.
	brief bool
	// begin and end are nil where there is nothing to do.
	begin, end func(*Cluster, Step) error
}

// soon is within how long a process is back after most faults; one that was killed
// has to start, too.
const (
	soon    = 5 * time.Second
	started = 10 * time.Second
)

// nemeses are all faults but calm.
var nemeses = map[Fault]nemesis{
	FaultKill:        {aProcess, started, false, toProcess((*Process).Kill), toProcess((*Process).Start)},
	FaultPause:       {aProcess, soon, false, toProcess((*Process).Pause), toProcess((*Process).Resume)},
	FaultRedisKill:   {oneServer, soon, false, toServer(Server.Kill), toServer(Server.Restart)},
	FaultRedisPause:  {oneServer, soon, false, toServer(Server.Pause), toServer(Server.Resume)},
	FaultRedisFull:   {oneServer, soon, false, toNodes("CONFIG SET maxmemory 1"), toNodes("CONFIG SET maxmemory 0")},
	FaultRestore:     {oneServer, 2 * time.Second, false, (*Cluster).backUp, (*Cluster).restore},
	FaultScriptFlush: {anyRedis, soon, true, toNodes("SCRIPT FLUSH"), nil},
	FaultClientKill:  {anyRedis, soon, true, toNodes("CLIENT KILL TYPE normal"), nil},
	FaultLinkCut:     {aLink, soon, true, (*Cluster).cutLink, nil},
	FaultMasterKill:  {aReplica, soon, true, (*Cluster).killMaster, (*Cluster).heal},
	FaultCut:         {aProxy, soon, false, func(c *Cluster, s Step) error { return c.proxies.Cut(s.On) }, mend},
	FaultToxic:       {aProxy, soon, false, func(c *Cluster, s Step) error { return c.proxies.Poison(s.On, *s.Toxic) }, mend},
}

func toProcess(do func(*Process)) func(*Cluster, Step) error {
	return func(c *Cluster, s Step) error { do(c.procs[s.On]); return nil }
}

func toServer(do func(Server)) func(*Cluster, Step) error {
	return func(c *Cluster, _ Step) error { do(c.redis.Server); return nil }
}

func toNodes(command string) func(*Cluster, Step) error {
	return func(c *Cluster, _ Step) error { return c.orderAll(command) }
}

func mend(c *Cluster, s Step) error { return c.proxies.Mend(s.On) }
