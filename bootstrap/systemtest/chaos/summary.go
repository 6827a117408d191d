package chaos

import "fmt"

// Summary counts what a run has seen, since a judgement of little is worth little.
func Summary(o *Observation) string {
	count := map[string]int{}
	procs := map[string]bool{}
	sent, acked := map[string]bool{}, map[string]bool{}
	for _, e := range o.Events {
		procs[e.Proc] = true
		if e.Op == OpEnqueue {
			sent[e.In] = true
			if e.Outcome == OK {
				acked[e.In] = true
			}
		}
		if e.Op == OpPurge && e.Task == "" {
			continue // a call that may have found nothing
		}
		count[string(e.Op)+" "+string(e.Outcome)]++
		if e.Out == LeaseLost {
			count[string(e.Op)+" "+LeaseLost]++
		}
	}
	recovered, poison := 0, 0
	for _, f := range o.Final {
		recovered += f.Recoveries
		if n := len(f.Errors); n > 0 && f.Errors[n-1].Reason == "poison" {
			poison++
		}
	}
	lost := count["complete lease_lost"] + count["retry lease_lost"] + count["fail lease_lost"]
	unknown := count["complete unknown"] + count["retry unknown"] + count["fail unknown"]
	return fmt.Sprintf("%d processes, %d events; %d tasks sent, %d acknowledged, %d in the store; %d claims, %d runs, "+
		"%d completed, %d retried, %d failed; %d reports refused by their fence, %d unknown, %d extensions refused; "+
		"%d dequeues and %d enqueues unknown; %d leases recovered, %d poison; %d reruns, %d cancelled, %d deleted, %d purged",
		len(procs), len(o.Events), len(sent), len(acked), len(o.Final), count["claim ok"], len(o.Runs),
		count["complete ok"], count["retry ok"], count["fail ok"], lost, unknown, count["extend lease_lost"],
		count["dequeue unknown"], count["enqueue unknown"], recovered, poison,
		count["rerun ok"], count["cancel ok"], count["delete ok"], count["purge ok"])
}
