package verify

import (
	"crypto/sha1" //nolint:gosec // See queue.go.
	"encoding/hex"
	"fmt"
	"strings"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/domain"
)

var (
	verifySchedulesScript     = layout.LoadScript("verify/schedules")
	verifyScheduleIndexScript = layout.LoadScript("verify/schedule_index")
)

// schedules compares the schedules with their indexes, both ways.
func (c *check) schedules() error {
	k := layout.NewScheduleKeys(c.client.Config.Namespace)
	if err := c.keyTypes(k.Types(), k.Records); err != nil {
		return err
	}
	for key := range k.Types() {
		if c.foreign[key] {
			return nil
		}
	}
	place := func(part string) string { return k.Prefix + part }
	err := c.records(k.Records, func(page []rawRecord) error {
		args := []any{c.client.Offset(), c.mode(), quarantineBytes, quarantineRecords}
		for _, r := range page {
			args = append(args, scheduleFacts(r)...)
		}
		reply, err := c.call(verifySchedulesScript, []string{k.Records, k.Names, k.Due, k.Quarantine}, args...)
		if err != nil {
			return err
		}
		c.findings(reply, place)
		return nil
	})
	for _, index := range []string{k.Names, k.Due} {
		if err == nil {
			err = c.pages(verifyScheduleIndexScript, []string{index, k.Records}, []any{c.mode()}, func(reply []any) error {
				c.findings(reply, place)
				return nil
			})
		}
	}
	return err
}

// scheduleFacts is what scripts/verify/schedules.lua wants to know of a schedule.
func scheduleFacts(r rawRecord) []any {
	sum := sha1.Sum([]byte(r.record)) //nolint:gosec // See queue.go.
	hash, problem, due := hex.EncodeToString(sum[:]), "", int64(0)
	if len(r.record) != r.size {
		hash, problem = "", fmt.Sprintf("its record has %d bytes, more than any may", r.size)
	} else if len(r.record) < layout.ScheduleHead {
		problem = "its record is too short"
	} else if s, err := domain.DecodeSchedule(r.name, []byte(r.record[layout.ScheduleHead:])); err != nil {
		_, problem, _ = strings.Cut(err.Error(), domain.ErrCorruptRecord.Error()+": ")
	} else if at := s.DueAt(); !at.IsZero() {
		due = layout.CeilMicro(at)
	}
	return []any{r.name, r.size, hash, problem, due}
}
