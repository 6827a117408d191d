package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"sort"

	"github.com/google/uuid"
	"logsift/adapters/builtin"
	"logsift/domain"
)

func stream(log, labels string) {
	f, _ := os.Open(labels)
	rows, _ := csv.NewReader(f).ReadAll()
	bad := map[string]bool{}
	for _, r := range rows[1:] { bad[r[0]] = r[1] != "Normal" }
	s := &st{map[string]domain.State{}}
	a := builtin.New(builtin.Config{States: s, MaxLogIDs: 1 << 30})
	logs := read(log, false)
	fp := map[string]int{}; tp := map[string]int{}
	for i := 0; i < len(logs); i += 1000 {
		r, _ := a.Analyze(context.Background(), domain.AnalysisRequest{TaskID: uuid.New(), Logs: logs[i:min(len(logs), i+1000)]})
		if i == 0 { continue }
		for _, x := range r.Anomalies {
			if x.Severity < 3 { continue }
			k := fmt.Sprintf("%s %.110s | %.90s", x.Kind, x.Template, x.Evidence)
			if len(x.Template) > 10 && x.Template[:10] == "the course" { k = "course" }
			for _, id := range x.Sessions { if bad[id] { tp[k]++ } else { fp[k]++ } }
		}
	}
	keys := []string{}
	for k := range fp { keys = append(keys, k) }
	sort.Slice(keys, func(i, j int) bool { return fp[keys[i]] > fp[keys[j]] })
	for _, k := range keys[:min(30, len(keys))] { fmt.Println(fp[k], tp[k], k) }
}
