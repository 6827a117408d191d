package verify

import (
	"crypto/sha1" //nolint:gosec // See queue.go.
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/domain"
)

var (
	verifyLogsScript     = layout.LoadScript("verify/logs")
	verifyLogIndexScript = layout.LoadScript("verify/log_index")
	verifyLogBatchScript = layout.LoadScript("verify/log_batch")
)

// logsCheck checks the logs.
type logsCheck struct {
	*check
	keys layout.LogKeys
	// corrupt is how many entries could not be read.
	corrupt int
}

func (c *logsCheck) run() error {
	k := &c.keys
	if err := c.keyTypes(k.Types(), k.Entries, k.Analyses); err != nil {
		return err
	}
	// A foreign key that stays ends the part of the check that needs it.
	whole := func(keys ...string) bool {
		return !slices.ContainsFunc(append(keys, k.Quarantine), func(key string) bool { return c.foreign[key] })
	}
	if whole(k.Entries, k.ByTime, k.Received) {
		for _, step := range []func() error{c.batches, c.logIndexes} {
			if err := step(); err != nil {
				return err
			}
		}
	}
	if whole(k.Analyses, k.History, k.Anomalies, k.AnomalyIDs) {
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
	ctx, cancel := c.client.Bound(c.ctx)
	defer cancel()
	n, err := c.client.Redis.HLen(ctx, c.keys.Entries).Result()
	if err != nil {
		return fmt.Errorf("count log entries: %w", c.client.Translate(ctx, err))
	}
	before, err := c.now(c.keys.Entries)
	if err != nil {
		return err
	}
	for i, set := range newMemberSets(n) {
		first := i == 0
		if err := c.lists(set, first); err != nil {
			return err
		}
		corrupt := c.corrupt
		if err := c.entries(set, layout.TimeKey(before), first); err != nil {
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
	return c.scanKeys(c.keys.BatchPrefix, func(key string) error {
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
	if idOf(strings.TrimPrefix(key, c.keys.BatchPrefix)) != uuid.Nil {
		return c.keyType(key, "list", nil)
	}
	action, err := c.moveAside(key, "")
	if err != nil {
		return err
	}
	c.foreign[key] = true
	c.report(domain.Finding{Kind: KindKeyUnknown, Place: key, Detail: "it is the list of no batch", Action: action})
	return nil
}

// batch reads the list of a batch into the set.
func (c *logsCheck) batch(key string, set *memberSet, report bool) error {
	id := strings.TrimPrefix(key, c.keys.BatchPrefix)
	pos, size := int64(0), layout.MinPage
	for {
		reply, err := c.call(verifyLogBatchScript, []string{c.keys.Entries, key}, id, pos, size, c.mode())
		if err != nil || len(reply) <= 3 {
			return err
		}
		next, _ := layout.IntAt(reply, 0)
		bytes, _ := layout.IntAt(reply, 1)
		bad, _ := layout.IntAt(reply, 2)
		for n, entry := range texts(reply[3:]) {
			if n >= int(bad) {
				set.add(id + entry)
			} else if report {
				c.report(domain.Finding{
					Kind: KindLogStray, ID: idOf(entry), Place: c.keys.Batch(idOf(id).String()),
					Detail: printableID(entry) + "it is listed, and no entry of the batch or listed before", Action: c.done("removed"),
				})
			}
		}
		pos, size = next, layout.NextPage(size, bytes)
	}
}

// entries pages through the records of the entries. Only the first time they are
// looked at in all places; those that arrived since before are not expected in the
// set.
func (c *logsCheck) entries(set *memberSet, before string, first bool) error {
	return c.records(c.keys.Entries, func(page []rawRecord) error {
		var args []any
		var suspects []string
		for _, r := range page {
			if first {
				c.summary.Logs++
				args = append(args, logFacts(r, false)...)
			}
			if len(r.record) > layout.LogHead && r.record[25:33] < before && set.lacks(r.record[1:17]+r.name) {
				suspects = append(suspects, r.name)
			}
		}
		if first {
			reply, err := c.call(verifyLogsScript, []string{c.keys.Entries, c.keys.ByTime, c.keys.Received}, append(c.logArgs("scan"), args...)...)
			if err != nil {
				return err
			}
			for i := 0; i+4 < len(reply); i += 5 {
				if id := layout.TextAt(reply, i); !slices.Contains(suspects, id) {
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
	return []any{c.client.Offset(), mode, quarantineBytes, quarantineRecords}
}

// logFacts is what scripts/verify/logs.lua wants to know of an entry.
func logFacts(r rawRecord, withSum bool) []any {
	problem, stamp, at, us := "", "", "", int64(0)
	if len(r.record) != r.size {
		problem = fmt.Sprintf("its record has %d bytes, more than any may", r.size)
	} else if id := idOf(r.name); id == uuid.Nil {
		problem = fmt.Sprintf("its id, %.80q, is none", r.name)
	} else if _, err := layout.DecodeLog(id, r.record); err != nil {
		_, problem, _ = strings.Cut(err.Error(), domain.ErrCorruptRecord.Error()+": ")
	} else {
		stamp, at = r.record[17:25], r.record[25:33]
		us = layout.KeyTime(at).UnixMicro()
	}
	return []any{r.name, r.size, sumOf(r, withSum), problem, stamp, at, us}
}

// sumOf is the SHA-1 of a record, "" if it is not wanted or not known.
func sumOf(r rawRecord, wanted bool) string {
	if !wanted || len(r.record) != r.size {
		return ""
	}
	sum := sha1.Sum([]byte(r.record)) //nolint:gosec // See queue.go.
	return hex.EncodeToString(sum[:])
}

// suspect looks at an entry in all places, and mends it if it may.
func (c *logsCheck) suspect(id string) error {
	r, err := c.record(c.keys.Entries, id)
	if err != nil || r.size < 0 {
		return err
	}
	k, batch := &c.keys, ""
	if len(r.record) > layout.LogHead {
		batch = r.record[1:17]
	}
	mode := "check"
	if c.req.Repair {
		mode = "repair"
	}
	keys := []string{k.Entries, k.ByTime, k.Received, k.Batch(batch), k.Quarantine}
	if c.foreign[k.Batch(batch)] {
		return nil
	}
	reply, err := c.call(verifyLogsScript, keys, append(c.logArgs(mode), logFacts(r, true)...)...)
	if err != nil {
		return err
	}
	for i := 0; i+4 < len(reply); i += 5 {
		if layout.TextAt(reply, i+1) == KindLogCorrupt {
			c.corrupt++
		}
	}
	c.findings(reply, func(part string) string {
		if part == "batch" {
			return k.Batch(idOf(batch).String())
		}
		return c.keys.Prefix + part
	})
	return nil
}

// logIndexes looks for members of the indexes that are no entries.
func (c *logsCheck) logIndexes() error {
	k := &c.keys
	return errors.Join(
		c.index(k.Entries, k.ByTime, "18", KindLogStray),
		c.index(k.Entries, k.Received, "id", KindLogStray),
	)
}

// index looks for members of an index that have no record.
func (c *logsCheck) index(records, index, form string, kind string) error {
	return c.pages(verifyLogIndexScript, []string{records, index}, []any{form, c.mode()}, func(reply []any) error {
		for _, member := range texts(reply) {
			id := member
			if len(member) == 24 {
				id = member[8:]
			}
			c.report(domain.Finding{
				Kind: kind, ID: idOf(id), Place: index, Detail: printableID(id) + "it is in the index, and has no record", Action: c.done("removed"),
			})
		}
		return nil
	})
}
