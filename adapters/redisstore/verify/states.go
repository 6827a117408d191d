package verify

import (
	"fmt"
	"strings"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/domain"
)

var verifyStatesScript = layout.LoadScript("verify/states")

// states checks the states of analysers. Only their heads are read.
func (c *logsCheck) states() error {
	var page []string
	look := func() error {
		if len(page) == 0 {
			return nil
		}
		c.summary.States += int64(len(page))
		args := []any{c.client.Offset(), c.mode(), quarantineBytes, quarantineRecords, len(c.keys.StatePrefix), domain.MaxDocumentData}
		reply, err := c.call(verifyStatesScript, append([]string{c.keys.Quarantine}, page...), args...)
		if err != nil {
			return err
		}
		c.stateFindings(reply)
		page = page[:0]
		c.progress()
		return nil
	}
	err := c.scanKeys(c.keys.StatePrefix, func(key string) error {
		if ok, err := c.stateKey(key); err != nil || !ok {
			return err
		}
		if page = append(page, key); len(page) == layout.PageSize {
			return look()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return look()
}

// stateKey checks the name and the type of a key that is named as a state, and
// reports whether it is one.
func (c *logsCheck) stateKey(key string) (bool, error) {
	state := domain.Document{Key: strings.TrimPrefix(key, c.keys.StatePrefix)}
	if err := state.Validate(); err == nil {
		err := c.keyType(key, "string", nil)
		return !c.foreign[key], err
	}
	action, err := c.moveAside(key, "")
	if err != nil {
		return false, err
	}
	c.report(domain.Finding{Kind: KindKeyUnknown, Place: key, Detail: "it is the state of no key", Action: action})
	return false, nil
}

// stateFindings tells those of the reply of scripts/verify/states.lua: key, kind, detail and
// action of each.
func (c *logsCheck) stateFindings(reply []any) {
	for i := 0; i+3 < len(reply); i += 4 {
		key, kind := layout.TextAt(reply, i), layout.TextAt(reply, i+1)
		// A key may come twice while it is looked through all of them.
		if c.reported[kind+key] {
			continue
		}
		if len(c.reported) < reportedLimit {
			c.reported[kind+key] = true
		}
		c.report(domain.Finding{
			Kind: kind, Place: fmt.Sprintf("%s%q", c.keys.StatePrefix, strings.TrimPrefix(key, c.keys.StatePrefix)),
			Detail: layout.TextAt(reply, i+2), Action: layout.TextAt(reply, i+3),
		})
	}
}
