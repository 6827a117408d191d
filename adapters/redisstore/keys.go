package redisstore

import "strconv"

// Keys of one partition share the hash tag {namespace:N}, so that a script may
// touch all of them on a Cluster. Those of the logs share {namespace:logs}, those that
// tell of processes {namespace:fleet}.

// logKey returns the key of a part of the log repository.
func (c *Client) logKey(part string) string { return "{" + c.cfg.Namespace + ":logs}:" + part }

// fleetKey returns the key of a part of what is known of processes.
func (c *Client) fleetKey(part string) string {
	return "{" + c.cfg.Namespace + ":fleet}:" + part
}

// queueKeys are the keys of one partition of the task queue.
type queueKeys struct {
	prefix string

	tasks, state, results, errors         string
	active, scheduled, retrying, due      string
	completed, failed, cancelled, finList string
	unique, uniqueOf, meta, lanes         string
	events                                string
	wake                                  string
}

func newQueueKeys(namespace string, partition int) queueKeys {
	p := "{" + namespace + ":" + strconv.Itoa(partition) + "}:"
	return queueKeys{
		prefix: p,
		tasks:  p + "tasks", state: p + "state", results: p + "results", errors: p + "errors",
		active: p + "active", scheduled: p + "scheduled", retrying: p + "retrying", due: p + "due",
		completed: p + "completed", failed: p + "failed", cancelled: p + "cancelled", finList: p + "finished",
		unique: p + "unique", uniqueOf: p + "unique_of", meta: p + "meta", lanes: p + "lanes",
		events: p + "events", wake: p + "wake",
	}
}

// all lists the keys that every script but the three hottest takes, in the
// order of scripts/keys.lua; the ready keys of all lanes follow them.
func (k *queueKeys) all(ready []string) []string {
	return append([]string{
		k.tasks, k.state, k.results, k.errors,
		k.active, k.scheduled, k.retrying, k.due,
		k.completed, k.failed, k.cancelled, k.finList,
		k.unique, k.uniqueOf, k.meta, k.events,
	}, ready...)
}

// forLanes lists the keys of the scripts that take the table of lanes.
func (k *queueKeys) forLanes() []string { return []string{k.lanes, k.meta} }

// ready is the key of the ready tasks of one lane.
func (k *queueKeys) ready(lane int) string { return k.prefix + "ready:" + strconv.Itoa(lane) }

// claim is the key that remembers what a claim took.
func (k *queueKeys) claim(id [16]byte) string { return k.prefix + "claim:" + string(id[:]) }
