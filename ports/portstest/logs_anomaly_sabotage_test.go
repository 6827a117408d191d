package portstest_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"logsift/domain"
)

// filterSabotage has ListAnomalies take another filter.
func filterSabotage(caught string, change func(f *domain.AnomalyFilter)) sabotage[*brokenLogs] {
	return sabotage[*brokenLogs]{"Anomalies/" + caught, func(r *brokenLogs) {
		asks(&r.anomalies, change)
	}}
}

// anomalySabotages are the sabotages of the lists of anomalies.
var anomalySabotages = map[string]sabotage[*brokenLogs]{
	"the source of anomalies is not compared": filterSabotage("lists_what_each_filter_selects", func(f *domain.AnomalyFilter) { f.Source = "" }),
	"the kind of anomalies is not compared":   filterSabotage("lists_what_each_filter_selects", func(f *domain.AnomalyFilter) { f.Kind = "" }),
	"the id of anomalies is not compared":     filterSabotage("lists_what_each_filter_selects", func(f *domain.AnomalyFilter) { f.ID = "" }),
	"the text of anomalies is not compared":   filterSabotage("lists_what_each_filter_selects", func(f *domain.AnomalyFilter) { f.Text = "" }),
	"ids are compared without their spaces": filterSabotage("compares_ids_by_all_of_their_bytes", func(f *domain.AnomalyFilter) {
		f.ID = strings.Trim(f.ID, " ")
	}),
	"an anomaly is known once": {"Anomalies/gives_the_history_of_one_anomaly", func(r *brokenLogs) {
		answers(&r.anomalies, func(filter domain.AnomalyFilter, page *domain.AnomalyPage) {
			if filter.ID != "" && len(page.Anomalies) > 0 {
				page.Anomalies, page.NextCursor = page.Anomalies[:1], ""
			}
		})
	}},
	"the history of an anomaly outlives its analyses": {"Anomalies/has_no_history_of_an_anomaly_whose_analyses_are_gone", func(r *brokenLogs) {
		r.remove = func(ctx context.Context, batches ...domain.BatchID) error {
			return r.LogRepository.DeleteBatches(ctx, batches[1:]...)
		}
	}},
	"a purge of analyses ends early": {"Anomalies/purges_more_anomalies_than_one_step_removes", func(r *brokenLogs) {
		r.forget = func(ctx context.Context, age time.Duration, limit int) (int, error) {
			return r.LogRepository.PurgeAnalyses(ctx, age, min(limit, 10))
		}
	}},
	"pages of anomalies are counted off from the newest":   {"Anomalies/keeps_its_place_while_analyses_come_and_go", countOffAnomalies},
	"pages of one anomaly are counted off from the newest": {"Anomalies/keeps_its_place_in_the_history_of_one_anomaly", countOffAnomalies},
	"pages of one kind are counted off from the newest":    {"Anomalies/keeps_its_place_among_those_of_one_kind_with_a_text", countOffAnomalies},
	"what was seen before is passed over, whatever it is": {"Anomalies/gives_the_history_of_one_anomaly", func(r *brokenLogs) {
		var mu sync.Mutex // guards seen
		seen := map[domain.TaskID]bool{}
		answers(&r.anomalies, func(_ domain.AnomalyFilter, page *domain.AnomalyPage) {
			mu.Lock()
			defer mu.Unlock()
			page.Anomalies = slices.DeleteFunc(page.Anomalies, func(a domain.FoundAnomaly) bool {
				again := seen[a.TaskID]
				seen[a.TaskID] = true
				return again
			})
		})
	}},
}

// countOffAnomalies has a cursor be the number of anomalies that were listed.
func countOffAnomalies(r *brokenLogs) {
	r.anomalies = func(ctx context.Context, filter domain.AnomalyFilter) (domain.AnomalyPage, error) {
		skip, _ := strconv.Atoi(filter.Cursor)
		var all []domain.FoundAnomaly
		for rest := (domain.AnomalyFilter{ID: filter.ID, Kind: filter.Kind, Text: filter.Text}); ; {
			page, err := r.LogRepository.ListAnomalies(ctx, rest)
			if all = append(all, page.Anomalies...); err != nil {
				return page, err
			}
			if rest.Cursor = page.NextCursor; rest.Cursor == "" {
				break
			}
		}
		all = all[min(skip, len(all)):]
		if len(all) <= filter.PageSize() {
			return domain.AnomalyPage{Anomalies: all}, nil
		}
		return domain.AnomalyPage{Anomalies: all[:filter.PageSize()], NextCursor: strconv.Itoa(skip + filter.PageSize())}, nil
	}
}
