package verify

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/domain"
)

var (
	verifyAnalysesScript     = layout.LoadScript("verify/analyses")
	verifyAnomalyIDsScript   = layout.LoadScript("verify/anomaly_ids")
	verifyAnomalyIndexScript = layout.LoadScript("verify/anomaly_index")
)

// analyses pages through the analyses.
func (c *logsCheck) analyses() error {
	k := &c.keys
	return c.records(k.Analyses, func(page []rawRecord) error {
		c.summary.Analyses += int64(len(page))
		args := []any{c.client.Offset(), c.mode(), quarantineBytes, quarantineRecords}
		for _, r := range page {
			args = append(args, analysisFacts(r)...)
		}
		keys := []string{k.Analyses, k.History, k.Anomalies, k.AnomalyIDs, k.Quarantine}
		reply, err := c.call(verifyAnalysesScript, keys, args...)
		if err != nil {
			return err
		}
		c.findings(reply, func(part string) string { return k.Prefix + part })
		return nil
	})
}

// analysisFacts is what scripts/verify/analyses.lua wants to know of an analysis.
func analysisFacts(r rawRecord) []any {
	problem, at, digests := "", "", ""
	if len(r.record) != r.size {
		problem = fmt.Sprintf("its record has %d bytes, more than any may", r.size)
	} else if id := idOf(r.name); id == uuid.Nil {
		problem = fmt.Sprintf("its task, %.80q, is none", r.name)
	} else if a, err := layout.DecodeAnalysis(id, r.record); err != nil {
		_, problem, _ = strings.Cut(err.Error(), domain.ErrCorruptRecord.Error()+": ")
	} else {
		at, digests = r.record[1:9], layout.AnomalyDigests(a.Result.Anomalies)
	}
	return []any{r.name, r.size, sumOf(r, problem != ""), problem, at, digests}
}

// analysisIndexes looks for members of the indexes that belong to no analysis.
func (c *logsCheck) analysisIndexes() error {
	k := &c.keys
	stray := func(s *layout.Script, keys []string, what string) error {
		return c.pages(s, keys, []any{c.mode()}, func(reply []any) error {
			for _, name := range texts(reply) {
				id := name
				if len(name) == 32 {
					id = name[16:]
				}
				c.report(domain.Finding{
					Kind: KindAnomalyStray, ID: idOf(id), Place: keys[0], Detail: printableID(id) + what, Action: c.done("removed"),
				})
			}
			return nil
		})
	}
	return errors.Join(
		c.index(k.Analyses, k.History, "2", KindAnalysisStray),
		stray(verifyAnomalyIDsScript, []string{k.AnomalyIDs, k.Analyses}, "it has ids of anomalies, and no record"),
		stray(verifyAnomalyIndexScript, []string{k.Anomalies, k.AnomalyIDs, k.History, k.Analyses}, "an anomaly is in the index that it has not, or at another time"),
	)
}
