package layout

import (
	"encoding/json"
	"strconv"
	"strings"

	"logsift/domain"
)

// A Key is one key of Redis, or one kind of them; ID, KEY, LIST and NAME stand for what
// varies. The tables below have all.
type Key struct{ Name, Type, Holds string }

// queueTable has the keys of one partition N of the queue, which begin with
// "{namespace:N}:". What is in braces is the hash tag, so that a Cluster keeps all of them
// on one node and a script may touch all. Ids are their 16 bytes.
var queueTable = []Key{
	{"tasks", "hash", "id: what the task was created with; written once, unless it is replaced, see codec.go"},
	{"state", "hash", "id: what changes of it, from its first claim on, see queue/common.lua"},
	{"results", "hash", "id: result of a completed task"},
	{"errors", "hash", "id: its failures, see queue/append_error.lua"},
	{"ready:LIST", "zset", "ready tasks of one queue and type, by priority and creation, see base.lua"},
	{"active", "zset", "tasks that workers have, by the end of the lease"},
	{"scheduled", "zset", "tasks that are not due for the first time, by creation"},
	{"retrying", "zset", "tasks that wait for another attempt, by creation"},
	{"completed", "zset", "by creation"},
	{"failed", "zset", "by creation"},
	{"cancelled", "zset", "by creation"},
	{"due", "zset", "scheduled and retrying tasks by when they are due"},
	{"finished", "list", "id and end of finished tasks in the order of their ends, for the retention"},
	{"unique", "hash", "unique key: id of the task that holds it"},
	{"unique_of", "hash", "id: its unique key, if it holds that in some states, not for a time"},
	{"unique_until", "zset", "unique keys that are held for a time, by the end of that"},
	{"dead", "list", "the same of FAILED tasks that are kept for longer, moved there by purge.lua"},
	{"kept", "zset", "finished tasks with a retention of their own, by when it has passed"},
	{"expiring", "zset", "tasks that have not begun, by when they expire"},
	{"lanes", "hash", "QUEUE|TYPE: its number; !QUEUE: since when it is paused; see queue/table.lua"},
	{"meta", "hash", "generation (the epoch) and lanes (layout and number) of the ready lists, seq (newest sequence number), idle (a claim waits), " +
		"watch, told and heed (of events), follow (see queue/steps.lua), sweep (of ready lists)"},
	{"limits", "hash", "name of a limit: what it is of and its JSON, see limits/set.lua"},
	{"limited", "hash", "what limits say, by queue, type and key, and which ready list is of what; see limits/common.lua"},
	{"running", "hash", "name of a limit of a queue or type: how many of its tasks run"},
	{"buckets", "hash", "name of a limit of a queue or type: when its bucket is full"},
	{"open:LIST", "zset", "level (10 less the priority, 1 byte) and key, as in JSON, whose first ready task may begin, by its turn; see limits/common.lua"},
	{"keyed:LANE:QUEUE|KEY", "zset", "ready tasks of a key in their order; LANE is 16 * LIST + level"},
	{"slots:QUEUE", "hash", "id of a task that holds a slot of its key: that key, as in JSON"},
	{"keys:QUEUE", "hash", "key, as in JSON: what is known of it, see limits/common.lua"},
	{"tokens:QUEUE", "zset", "key, as in JSON, by when it has another token, or all of them"},
	{"claim:ID", "string", "what a claim took, for as long as its lease and a minute"},
	{"progress:ID", "string", "fence, time and contents of how far the run of a task has come, for ports.ProgressKept; see codec.go"},
	{"events", "stream", "steps of tasks while somebody reads them, see events/emit.lua; also the channel of waiting readers"},
	{"quarantine", "hash", "id: record that could not be read, see the verifier"},
	{"group:LIST:GROUP", "zset", "members of a group, whose name is as in JSON, by creation; the ready ones first, see groups/common.lua"},
	{"nodes", "hash", "id of a task of a workflow: id of the workflow, and its place there; see queue/workflows.lua"},
	{"workflows", "zset", "workflows by creation"},
	{"workflow:ID", "hash", "a workflow with its nodes"},
	{"staged:ID", "hash", "the nodes of a workflow that is being created, behind its id and its digest, for an hour"},
	{"following", "list", "what is still to be done for workflows"},
	{"aside:NAME", "any", "a key of a wrong type that a repair has renamed"},
}

// logTable has the keys of the logs, which begin with "{namespace:logs}:".
var logTable = []Key{
	{"entries", "hash", "id: record of a log entry, see logs_codec.go"},
	{"by_time", "zset", "timestamp and id of each entry, by both"},
	{"received", "zset", "ids of entries by their arrival"},
	{"batch:ID", "list", "ids of the entries of a batch in their order"},
	{"closed", "zset", "batches that take no more, by when they were closed"},
	{"analyses", "hash", "id of a task: record of its analysis, see logs_codec.go"},
	{"history", "zset", "analyses by when they were stored"},
	{"anomalies", "zset", "analyses by digests of the ids of their anomalies"},
	{"anomaly_ids", "hash", "id of a task: those digests"},
	{"state:KEY", "string", "state that an analyser keeps, with a time to live if it has one"},
	{"quarantine", "hash", "as that of the queue"},
	{"aside:NAME", "any", "as that of the queue"},
}

// schedulerTable has the keys of the schedulers, which begin with "{namespace:fleet}:".
var schedulerTable = []Key{
	{"schedulers", "hash", "id: when the report was stored, in microseconds since 1970 (7 bytes, big-endian), and its JSON"},
	{"ends", "zset", "ids by when their reports end"},
	{"aside:NAME", "any", "as that of the queue"},
}

// scheduleTable has the keys of the schedules, which begin with "{namespace:schedules}:".
var scheduleTable = []Key{
	{"records", "hash", "name: record of a schedule, see schedules/common.lua"},
	{"names", "zset", "the names, all with the score 0"},
	{"due", "zset", "names by when a claim may take them, without those that are never due"},
	{"quarantine", "hash", "as that of the queue"},
	{"aside:NAME", "any", "as that of the queue"},
}

// types are the types of the keys of a table whose names do not vary.
func types(prefix string, table []Key) map[string]string {
	out := map[string]string{}
	for _, k := range table {
		if !strings.Contains(k.Name, ":") {
			out[prefix+k.Name] = k.Type
		}
	}
	return out
}

// QueueKeys are the keys of one partition of the task queue.
type QueueKeys struct {
	Prefix string

	Tasks, State, Results, Errors         string
	Active, Scheduled, Retrying, Due      string
	Completed, Failed, Cancelled, FinList string
	Expiring, Kept, Dead                  string
	Unique, UniqueOf, Meta, Lanes         string
	UniqueUntil, Events, Quarantine       string
	Nodes, Workflows, Following           string
	// Wake is a channel, not a key: waiting claims listen to it.
	Wake string
	// Absent is a key that never is.
	Absent string
}

// NewQueueKeys returns the keys of a partition.
func NewQueueKeys(namespace string, partition int) QueueKeys {
	p := "{" + namespace + ":" + strconv.Itoa(partition) + "}:"
	return QueueKeys{
		Prefix: p,
		Tasks:  p + "tasks", State: p + "state", Results: p + "results", Errors: p + "errors",
		Active: p + "active", Scheduled: p + "scheduled", Retrying: p + "retrying", Due: p + "due",
		Completed: p + "completed", Failed: p + "failed", Cancelled: p + "cancelled", FinList: p + "finished",
		Expiring: p + "expiring", Kept: p + "kept", Dead: p + "dead",
		Unique: p + "unique", UniqueOf: p + "unique_of", Meta: p + "meta", Lanes: p + "lanes", UniqueUntil: p + "unique_until",
		Events: p + "events", Quarantine: p + "quarantine", Wake: p + "wake", Absent: p + "absent",
		Nodes: p + "nodes", Workflows: p + "workflows", Following: p + "following",
	}
}

// All lists the keys of the scripts that include queue/keys.lua, in its order; the ready
// keys of all ready lists follow them.
func (k *QueueKeys) All(ready []string) []string {
	return append([]string{
		k.Tasks, k.State, k.Results, k.Errors,
		k.Active, k.Scheduled, k.Retrying, k.Due,
		k.Completed, k.Failed, k.Cancelled, k.FinList,
		k.Unique, k.UniqueOf, k.Meta, k.Events, k.UniqueUntil, k.Expiring, k.Kept, k.Dead,
	}, ready...)
}

// Limit is the text by which scripts know what a limit is of; see limits/common.lua.
func Limit(l *domain.Limit) string {
	switch {
	case l.Scope == domain.LimitQueue:
		return "q:" + l.Queue
	case l.Scope == domain.LimitType:
		return "t:" + string(l.Type)
	case l.Key == "":
		return "r:" + l.Queue
	}
	// As in the options of a record. A string always marshals.
	key, _ := json.Marshal(l.Key)
	return "k:" + l.Queue + "|" + string(key[1:len(key)-1])
}

// ForTable lists the keys of the scripts that take the table of ready lists.
func (k *QueueKeys) ForTable() []string { return []string{k.Lanes, k.Meta} }

// Ready is the key of the ready tasks of one ready list.
func (k *QueueKeys) Ready(list int) string { return k.Prefix + "ready:" + strconv.Itoa(list) }

// Claim is the key that remembers what a claim took.
func (k *QueueKeys) Claim(id [16]byte) string { return k.Prefix + "claim:" + string(id[:]) }

// Workflow is the key of a workflow with its nodes.
func (k *QueueKeys) Workflow(id [16]byte) string { return k.Prefix + "workflow:" + string(id[:]) }

// Staged is the key of the nodes of a workflow that is being created.
func (k *QueueKeys) Staged(id [16]byte, digest [32]byte) string {
	return k.Prefix + "staged:" + string(id[:]) + string(digest[:])
}

// Progress is the key of how far the run of a task has come.
func (k *QueueKeys) Progress(id [16]byte) string { return k.Prefix + "progress:" + string(id[:]) }

// Types are the types of the keys, but for those whose names vary.
func (k *QueueKeys) Types() map[string]string { return types(k.Prefix, queueTable) }

// LogKeys are the keys of the logs.
type LogKeys struct {
	Prefix string

	Entries, ByTime, Received, Closed string
	Analyses, History                 string
	Anomalies, AnomalyIDs             string
	Quarantine, Absent                string
	BatchPrefix, StatePrefix          string
}

// NewLogKeys returns the keys of the logs of a namespace.
func NewLogKeys(namespace string) LogKeys {
	p := "{" + namespace + ":logs}:"
	return LogKeys{
		Prefix:  p,
		Entries: p + "entries", ByTime: p + "by_time", Received: p + "received", Closed: p + "closed",
		Analyses: p + "analyses", History: p + "history", Anomalies: p + "anomalies", AnomalyIDs: p + "anomaly_ids",
		Quarantine: p + "quarantine", Absent: p + "absent", BatchPrefix: p + "batch:", StatePrefix: p + "state:",
	}
}

// Batch is the key of a batch's list of ids.
func (k *LogKeys) Batch(id string) string { return k.BatchPrefix + id }

// State is the key of an analyser's state.
func (k *LogKeys) State(key string) string { return k.StatePrefix + key }

// Types are the types of the keys, but for those whose names vary.
func (k *LogKeys) Types() map[string]string { return types(k.Prefix, logTable) }

// SchedulerKeys are the keys of what schedulers report.
type SchedulerKeys struct{ Prefix, Schedulers, Ends, Absent string }

// NewSchedulerKeys returns the keys of the schedulers of a namespace.
func NewSchedulerKeys(namespace string) SchedulerKeys {
	p := "{" + namespace + ":fleet}:"
	return SchedulerKeys{Prefix: p, Schedulers: p + "schedulers", Ends: p + "ends", Absent: p + "absent"}
}

// Types are the types of the keys, but for those whose names vary.
func (k *SchedulerKeys) Types() map[string]string { return types(k.Prefix, schedulerTable) }

// ScheduleHead is the size of what is before the JSON of a schedule's record.
const ScheduleHead = 14

// ScheduleKeys are the keys of the schedules.
type ScheduleKeys struct{ Prefix, Records, Names, Due, Quarantine string }

// NewScheduleKeys returns the keys of the schedules of a namespace.
func NewScheduleKeys(namespace string) ScheduleKeys {
	p := "{" + namespace + ":schedules}:"
	return ScheduleKeys{Prefix: p, Records: p + "records", Names: p + "names", Due: p + "due", Quarantine: p + "quarantine"}
}

// Types are the types of the keys, but for those whose names vary.
func (k *ScheduleKeys) Types() map[string]string { return types(k.Prefix, scheduleTable) }
