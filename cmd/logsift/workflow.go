package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

const workflowsPath = "/api/v1/queue/workflows"

// workflowCommand groups the commands about workflows. They ask the server that --server
// names, or open the store themselves.
func (e *environment) workflowCommand() *cobra.Command {
	return group(&cobra.Command{Use: "workflow", Short: "Graphs of tasks that wait for each other"},
		e.workflowSubmitCommand(), e.workflowListCommand(), e.workflowShowCommand(),
		e.workflowChangeCommand("cancel", "End all tasks of a workflow that have not finished"),
		e.workflowChangeCommand("retry", "Run the failed and cancelled tasks of a workflow again, and what waits for them"))
}

func workflowPath(id string) string { return workflowsPath + "/" + url.PathEscape(id) }

func (e *environment) workflowSubmitCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "submit FILE", Short: "Store a graph of tasks; - reads it from standard input", Args: cobra.ExactArgs(1),
		Example: `  logsift workflow submit graph.json`,
	}
	key := cmd.Flags().String("key", "", "idempotency key: the same one stores the workflow once")
	return e.clientCommand(cmd, func(cmd *cobra.Command, args []string, c *client) error {
		read := func() ([]byte, error) { return os.ReadFile(args[0]) }
		if args[0] == "-" {
			read = func() ([]byte, error) { return io.ReadAll(cmd.InOrStdin()) }
		}
		body, err := read()
		if err != nil {
			return fmt.Errorf("read the workflow: %w", err)
		}
		header := http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {*key}}
		if *key == "" {
			header.Set("Idempotency-Key", uuid.NewString())
		}
		var w wire.Workflow
		if err := c.send(cmd.Context(), http.MethodPost, workflowsPath, header, body, &w); err != nil {
			return fmt.Errorf("submit the workflow: %w", err)
		}
		return e.printWorkflows([]wire.Workflow{w}, w)
	})
}

func (e *environment) workflowListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List workflows, the newest first", Args: cobra.NoArgs}
	limit := cmd.Flags().Int("limit", domain.DefaultPageSize, "how many at most, to 200")
	cursor := cmd.Flags().String("cursor", "", "next_cursor of the page before")
	return e.clientCommand(cmd, func(cmd *cobra.Command, _ []string, c *client) error {
		query := url.Values{"limit": {strconv.Itoa(*limit)}}
		if *cursor != "" {
			query.Set("cursor", *cursor)
		}
		var list wire.WorkflowList
		if err := c.get(cmd.Context(), workflowsPath, query, &list); err != nil {
			return err
		}
		if e.output != formatJSON && list.NextCursor != nil {
			defer e.note("there are more: --cursor %s", *list.NextCursor)
		}
		return e.printWorkflows(list.Workflows, list)
	})
}

func (e *environment) workflowShowCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "show ID", Short: "Show a workflow and its tasks", Args: cobra.ExactArgs(1)}
	return e.clientCommand(cmd, func(cmd *cobra.Command, args []string, c *client) error {
		var all wire.Workflow
		query := url.Values{"limit": {"200"}}
		for {
			var page wire.Workflow
			if err := c.get(cmd.Context(), workflowPath(args[0]), query, &page); err != nil {
				return fmt.Errorf("show workflow %s: %w", args[0], err)
			}
			page.Tasks = append(all.Tasks, page.Tasks...)
			if all = page; page.NextCursor == nil {
				break
			}
			query.Set("cursor", *page.NextCursor)
		}
		if e.output == formatJSON {
			return e.printJSON(all)
		}
		if err := e.printWorkflows([]wire.Workflow{all}, all); err != nil {
			return err
		}
		rows := [][]string{{"REF", "STATUS", "AFTER", "TYPE", "TASK"}}
		for _, n := range all.Tasks {
			rows = append(rows, nodeRow(n))
		}
		if _, err := fmt.Fprintln(e.stdout); err != nil {
			return err
		}
		return columns(e.stdout, rows)
	})
}

func nodeRow(n wire.WorkflowNode) []string {
	const most = 3
	status, after := n.Status, strings.Join(n.After[:min(len(n.After), most)], ", ")
	if more := len(n.After) - most; more > 0 {
		after += fmt.Sprintf(" and %d more", more)
	}
	if after != "" && n.When != "success" {
		after += " (" + n.When + ")"
	}
	if n.Waiting {
		status += ", waits"
	}
	return []string{n.Ref, status, after, n.Type, n.TaskID.String()}
}

// workflowChangeCommand makes a command that does one step to workflows and shows them.
func (e *environment) workflowChangeCommand(action, short string) *cobra.Command {
	cmd := &cobra.Command{Use: action + " ID", Short: short, Args: cobra.ExactArgs(1)}
	return e.clientCommand(cmd, func(cmd *cobra.Command, args []string, c *client) error {
		var w wire.Workflow
		if err := c.do(cmd.Context(), http.MethodPost, workflowPath(args[0])+":"+action, &w); err != nil {
			return fmt.Errorf("%s workflow %s: %w", action, args[0], err)
		}
		return e.printWorkflows([]wire.Workflow{w}, w)
	})
}

// printWorkflows prints a table of workflows, or the answer as JSON.
func (e *environment) printWorkflows(workflows []wire.Workflow, answer any) error {
	if e.output == formatJSON {
		return e.printJSON(answer)
	}
	rows := [][]string{{"WORKFLOW", "NAME", "TASKS", "WAITING", "READY", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "FINISHED"}}
	for i := range workflows {
		w := &workflows[i]
		row := []string{w.ID.String(), w.Name}
		for _, n := range []int{w.Total, w.Counts.Waiting, w.Counts.Pending + w.Counts.Retrying, w.Counts.Processing, w.Counts.Completed, w.Counts.Failed, w.Counts.Cancelled} {
			row = append(row, strconv.Itoa(n))
		}
		rows = append(rows, append(row, optionalTime(w.FinishedAt)))
	}
	return columns(e.stdout, rows)
}
