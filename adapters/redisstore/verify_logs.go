package redisstore

import (
	"crypto/sha1" //nolint:gosec // See verify_queue.go.
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"logsift/domain"
)

var (
	verifyLogsScript     = loadScript("verify_logs")
	verifyLogIndexScript = loadScript("verify_log_index")
	verifyLogBatchScript = loadScript("verify_log_batch")
)

// logsCheck checks the logs.
type logsCheck struct {
	*check
	keys logKeys
	// corrupt is how many entries could not be read.
	corrupt int
}

// quarantine holds records that cannot be read.
func (k *logKeys) quarantine() string {
	return strings.TrimSuffix(k.batchPrefix, "batch:") + "quarantine"
}

func (c *logsCheck) run() error {
	k := &c.keys
	types := map[string]string{
		k.entries: "hash", k.analyses: "hash", k.quarantine(): "hash",
		k.byTime: "zset", k.received: "zset", k.closed: "zset", k.history: "zset",
		k.anomalies: "zset", k.anomalyIDs: "hash",
	}
	if err := c.keyTypes(types, k.entries, k.analyses); err != nil {
		return err
	}
	// A foreign key that stays ends the part of the check that needs it.
	whole := func(keys ...string) bool {
		return !slices.ContainsFunc(append(keys, k.quarantine()), func(key string) bool { return c.foreign[key] })
	}
	if whole(k.entries, k.byTime, k.received) {
		for _, step := range []func() error{c.batches, c.logIndexes} {
			if err := step(); err != nil {
				return err
			}
		}
	}
	if whole(k.analyses, k.history, k.anomalies, k.anomalyIDs) {
		for _, step := range []func() error{c.analyses, c.analysisIndexes} {
			if err := step(); err != nil {
				return err
			}
		}
	}
	if whole() {
		return c.states()
	}
	return nil
}

// batches compares the entries with the lists of the batches, both ways. Entries
// that arrive while this runs are not looked for in their lists.
func (c *logsCheck) batches() error {
	ctx, cancel := c.client.bound(c.ctx)
	defer cancel()
	n, err := c.client.rdb.HLen(ctx, c.keys.entries).Result()
	if err != nil {
		return fmt.Errorf("count log entries: %w", c.client.translate(ctx, err))
	}
	before, err := c.now(c.keys.entries)
	if err != nil {
		return err
	}
	for i, set := range newMemberSets(n) {
		first := i == 0
		if err := c.lists(set, first); err != nil {
			return err
		}
		corrupt := c.corrupt
		if err := c.entries(set, timeKey(before), first); err != nil {
			return err
		}
		if c.corrupt > corrupt && c.req.Repair {
			// An entry that was removed may still be listed, if its record did not
			// tell its batch.
			if err := c.lists(set, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// lists puts the lists of all batches into the set.
func (c *logsCheck) lists(set *memberSet, report bool) error {
	return c.scanKeys(c.keys.batchPrefix, func(key string) error {
		if c.foreign[key] {
			return nil
		}
		if report {
			if err := c.batchType(key); err != nil || c.foreign[key] {
				return err
			}
		}
		return c.batch(key, set, report)
	})
}

// batchType checks the name and the type of a key that is named as a batch.
func (c *logsCheck) batchType(key string) error {
	if idOf(strings.TrimPrefix(key, c.keys.batchPrefix)) != uuid.Nil {
		return c.keyType(key, "list", nil)
	}
	action, err := c.moveAside(key, "")
	if err != nil {
		return err
	}
	c.foreign[key] = true
	c.tell(domain.Finding{Kind: domain.FindingKeyUnknown, Place: key, Detail: "it is the list of no batch", Action: action})
	return nil
}

// batch reads the list of a batch into the set.
func (c *logsCheck) batch(key string, set *memberSet, report bool) error {
	id := strings.TrimPrefix(key, c.keys.batchPrefix)
	pos, size := int64(0), minPage
	for {
		reply, err := c.call(verifyLogBatchScript, []string{c.keys.entries, key}, id, pos, size, c.mode())
		if err != nil || len(reply) <= 3 {
			return err
		}
		next, _ := intAt(reply, 0)
		bytes, _ := intAt(reply, 1)
		bad, _ := intAt(reply, 2)
		for n, entry := range texts(reply[3:]) {
			if n >= int(bad) {
				set.add(id + entry)
			} else if report {
				c.tell(domain.Finding{
					Kind: domain.FindingLogStray, ID: idOf(entry), Place: c.keys.batch(idOf(id).String()),
					Detail: printableID(entry) + "it is listed, and no entry of the batch or listed before", Action: c.done("removed"),
				})
			}
		}
		pos, size = next, nextPage(size, bytes)
	}
}

// entries pages through the records of the entries. Only the first time they are
// looked at in all places; those that arrived since before are not expected in the
// set.
func (c *logsCheck) entries(set *memberSet, before string, first bool) error {
	return c.records(c.keys.entries, func(page []rawRecord) error {
		var args []any
		var suspects []string
		for _, r := range page {
			if first {
				c.summary.Logs++
				args = append(args, logFacts(r, false)...)
			}
			if len(r.record) > logHead && r.record[25:33] < before && set.lacks(r.record[1:17]+r.name) {
				suspects = append(suspects, r.name)
			}
		}
		if first {
			reply, err := c.call(verifyLogsScript, []string{c.keys.entries, c.keys.byTime, c.keys.received}, append(c.logArgs("scan"), args...)...)
			if err != nil {
				return err
			}
			for i := 0; i+4 < len(reply); i += 5 {
				if id := textAt(reply, i); !slices.Contains(suspects, id) {
					suspects = append(suspects, id)
				}
			}
		}
		for _, id := range suspects {
			if err := c.suspect(id); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *logsCheck) logArgs(mode string) []any {
	return []any{c.client.offset(), mode, quarantineBytes, quarantineRecords}
}

// logFacts is what verify_logs.lua wants to know of an entry.
func logFacts(r rawRecord, withSum bool) []any {
	problem, stamp, at, us := "", "", "", int64(0)
	if len(r.record) != r.size {
		problem = fmt.Sprintf("its record has %d bytes, more than any may", r.size)
	} else if id := idOf(r.name); id == uuid.Nil {
		problem = fmt.Sprintf("its id, %.80q, is none", r.name)
	} else if _, err := decodeLog(id, r.record); err != nil {
		_, problem, _ = strings.Cut(err.Error(), domain.ErrCorruptRecord.Error()+": ")
	} else {
		stamp, at = r.record[17:25], r.record[25:33]
		us = keyTime(at).UnixMicro()
	}
	return []any{r.name, r.size, sumOf(r, withSum), problem, stamp, at, us}
}

// sumOf is the SHA-1 of a record, "" if it is not wanted or not known.
func sumOf(r rawRecord, wanted bool) string {
	if !wanted || len(r.record) != r.size {
		return ""
	}
	sum := sha1.Sum([]byte(r.record)) //nolint:gosec // See verify_queue.go.
	return hex.EncodeToString(sum[:])
}

// suspect looks at an entry in all places, and mends it if it may.
func (c *logsCheck) suspect(id string) error {
	r, err := c.record(c.keys.entries, id)
	if err != nil || r.size < 0 {
		return err
	}
	k, batch := &c.keys, ""
	if len(r.record) > logHead {
		batch = r.record[1:17]
	}
	mode := "check"
	if c.req.Repair {
		mode = "repair"
	}
	keys := []string{k.entries, k.byTime, k.received, k.batch(batch), k.quarantine()}
	if c.foreign[k.batch(batch)] {
		return nil
	}
	reply, err := c.call(verifyLogsScript, keys, append(c.logArgs(mode), logFacts(r, true)...)...)
	if err != nil {
		return err
	}
	for i := 0; i+4 < len(reply); i += 5 {
		if textAt(reply, i+1) == string(domain.FindingLogCorrupt) {
			c.corrupt++
		}
	}
	c.findings(reply, func(part string) string {
		if part == "batch" {
			return k.batch(idOf(batch).String())
		}
		return c.client.logKey(part)
	})
	return nil
}

// logIndexes looks for members of the indexes that are no entries.
func (c *logsCheck) logIndexes() error {
	k := &c.keys
	return errors.Join(
		c.index(k.entries, k.byTime, "18", domain.FindingLogStray),
		c.index(k.entries, k.received, "id", domain.FindingLogStray),
	)
}

// index looks for members of an index that have no record.
func (c *logsCheck) index(records, index, form string, kind domain.FindingKind) error {
	return c.pages(verifyLogIndexScript, []string{records, index}, []any{form, c.mode()}, func(reply []any) error {
		for _, member := range texts(reply) {
			id := member
			if len(member) == 24 {
				id = member[8:]
			}
			c.tell(domain.Finding{
				Kind: kind, ID: idOf(id), Place: index, Detail: printableID(id) + "it is in the index, and has no record", Action: c.done("removed"),
			})
		}
		return nil
	})
}
