package redisstore

import (
	"fmt"
	"strings"

	"logsift/domain"
)

var verifyStatesScript = loadScript("verify_states")

// states checks the states of analysers. Only their heads are read.
func (c *logsCheck) states() error {
	var page []string
	look := func() error {
		if len(page) == 0 {
			return nil
		}
		c.summary.States += int64(len(page))
		args := []any{c.client.offset(), c.mode(), quarantineBytes, quarantineRecords, len(c.keys.statePrefix), domain.MaxStateData}
		reply, err := c.call(verifyStatesScript, append([]string{c.keys.quarantine()}, page...), args...)
		if err != nil {
			return err
		}
		c.stateFindings(reply)
		page = page[:0]
		c.progress()
		return nil
	}
	err := c.scanKeys(c.keys.statePrefix, func(key string) error {
		if ok, err := c.stateKey(key); err != nil || !ok {
			return err
		}
		if page = append(page, key); len(page) == pageSize {
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
	state := domain.State{Key: strings.TrimPrefix(key, c.keys.statePrefix)}
	if err := state.Validate(); err == nil {
		err := c.keyType(key, "string", nil)
		return !c.foreign[key], err
	}
	action, err := c.moveAside(key, "")
	if err != nil {
		return false, err
	}
	c.tell(domain.Finding{Kind: domain.FindingKeyUnknown, Place: key, Detail: "it is the state of no key", Action: action})
	return false, nil
}

// stateFindings tells those of the reply of verify_states.lua: key, kind, detail and
// action of each.
func (c *logsCheck) stateFindings(reply []any) {
	for i := 0; i+3 < len(reply); i += 4 {
		key, kind := textAt(reply, i), textAt(reply, i+1)
		// A key may come twice while it is looked through all of them.
		if c.told[kind+key] {
			continue
		}
		if len(c.told) < toldLimit {
			c.told[kind+key] = true
		}
		c.tell(domain.Finding{
			Kind: domain.FindingKind(kind), Place: fmt.Sprintf("%s%q", c.keys.statePrefix, strings.TrimPrefix(key, c.keys.statePrefix)),
			Detail: textAt(reply, i+2), Action: textAt(reply, i+3),
		})
	}
}
