package verify

import (
	"fmt"
	"strconv"
	"strings"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/domain"
)

var (
	verifyLimitsScript    = layout.LoadScript("verify/limits")
	verifyLimitRunsScript = layout.LoadScript("verify/limit_runs")
)

// limits compares what is known of limits with the tasks, which are sound by then.
func (c *queueCheck) limits() error {
	k := &c.keys
	for _, part := range []string{"meta", "lanes", "limits", "limited", "running", "buckets", "active"} {
		if c.foreign[c.place(part)] {
			return nil
		}
	}
	reply, err := c.call(verifyLimitRunsScript, []string{k.Meta}, c.client.Offset(), c.mode())
	if err != nil {
		return err
	}
	lists := [4][]string{}
	for i := range lists {
		part, _ := reply[i].([]any)
		lists[i] = texts(part)
	}
	for _, name := range lists[1] {
		c.report(domain.Finding{Kind: KindLimitDamaged, Place: c.place("limited"), Detail: fmt.Sprintf("limit %s is not kept to: set it again", name)})
	}
	for _, name := range lists[3] {
		c.report(domain.Finding{Kind: KindLimitDamaged, Place: c.place("limited"), Detail: fmt.Sprintf("limit %s is not kept to yet by all tasks that were there before it: set it again", name)})
	}
	for _, name := range lists[2] {
		c.report(domain.Finding{
			Kind: KindLimitCountWrong, Place: c.place("running"),
			Detail: fmt.Sprintf("the tasks that run under limit %s are others than those counted", name), Action: c.done("counted anew"),
		})
	}
	for _, queue := range lists[0] {
		if err := c.keyLimits(queue); err != nil {
			return err
		}
	}
	return nil
}

// keyLimits does so for the limits of the keys of a queue.
func (c *queueCheck) keyLimits(queue string) error {
	type step struct {
		what string
		list int
	}
	steps := []step{{"active", 0}, {"slots", 0}}
	for n, name := range c.names {
		if strings.HasPrefix(name, queue+"|") {
			steps = append(steps, step{"open", n}, step{"ready", n})
		}
	}
	for _, s := range append(steps, step{"keys", 0}) {
		if err := c.keyStep(queue, s.what, strconv.Itoa(s.list), ""); err != nil {
			return err
		}
	}
	return nil
}

// keyStep looks at one kind of data of a queue's keys, place by place.
func (c *queueCheck) keyStep(queue, what, place, name string) error {
	args := []any{c.client.Offset(), queue, what, place, c.mode(), name}
	return c.pages(verifyLimitsScript, c.keys.ForTable(), args, func(reply []any) error {
		for i := 0; i+4 < len(reply); i += 5 {
			kind, detail := layout.TextAt(reply, i+1), layout.TextAt(reply, i+3)
			if kind == "keyed" {
				// The key has too many tasks for the same call.
				lane, _ := layout.IntAt(reply, i+2)
				if err := c.keyStep(queue, kind, strconv.FormatInt(lane, 10), detail); err != nil {
					return err
				}
				continue
			}
			c.report(domain.Finding{
				ID: idOf(layout.TextAt(reply, i)), Kind: kind, Place: c.place(layout.TextAt(reply, i+2)),
				Detail: detail, Action: layout.TextAt(reply, i+4),
			})
		}
		return nil
	})
}
