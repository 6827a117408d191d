package verify

import (
	"strings"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/domain"
)

var (
	verifyWorkflowScript      = layout.LoadScript("verify/workflow")
	verifyWorkflowNodesScript = layout.LoadScript("verify/workflow_nodes")
	verifyWorkflowEndsScript  = layout.LoadScript("verify/workflow_ends")
)

// workflowPage is how many nodes of a workflow one call looks at.
const workflowPage = 500

// workflows compares what is kept of workflows with the states of their tasks.
func (c *queueCheck) workflows() error {
	k := &c.keys
	for _, key := range []string{k.Nodes, k.Workflows, k.Following, k.Meta, k.FinList} {
		if c.foreign[key] {
			return nil
		}
	}
	prefix := k.Prefix + "workflow:"
	err := c.scanKeys(prefix, func(key string) error {
		id := strings.TrimPrefix(key, prefix)
		if len(id) != len(domain.WorkflowID{}) {
			action, err := c.moveAside(key, "")
			c.report(domain.Finding{Kind: KindKeyUnknown, Place: key, Detail: "it is that of no workflow", Action: action})
			return err
		}
		if err := c.keyType(key, "hash", nil); err != nil || c.foreign[key] {
			return err
		}
		for from := int64(0); ; {
			reply, err := c.call(verifyWorkflowScript, c.all(), id, from, workflowPage, c.mode(), c.client.Offset())
			if err != nil {
				return err
			}
			c.findings(reply[1:], c.place)
			if from, _ = layout.IntAt(reply, 0); from == 0 {
				return nil
			}
		}
	})
	if err != nil {
		return err
	}
	return c.pages(verifyWorkflowNodesScript, []string{k.Nodes, k.Meta}, []any{c.mode()}, func(reply []any) error {
		c.findings(reply, c.place)
		return nil
	})
}
