package wire

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// CreateWorkflow is the body that stores a graph of tasks.
type CreateWorkflow struct {
	Name string `json:"name,omitempty"`
	// Tasks are from 1 to 20,000, in any order.
	Tasks []WorkflowTask `json:"tasks"`
}

// WorkflowTask is a task of a graph: a CreateTask, but for unique keys and retention.
type WorkflowTask struct {
	// Ref names the task within the workflow. It is required.
	Ref string `json:"ref"`
	// After are the refs of the tasks that it waits for, and When how each of these must
	// end: success (the default), failure or done.
	After Refs   `json:"after,omitempty"`
	When  string `json:"when,omitempty"`
	CreateTask
}

// Refs are refs of tasks, a type of their own to be bounded by.
type Refs []string

// Workflow is a workflow as the API shows it.
type Workflow struct {
	ID        uuid.UUID  `json:"id"`
	Name      string     `json:"name"`
	CreatedAt *time.Time `json:"created_at"`
	// FinishedAt is null while a task has not finished.
	FinishedAt *time.Time     `json:"finished_at"`
	Total      int            `json:"total"`
	Counts     WorkflowCounts `json:"counts"`
	// Tasks are a page of its tasks, in the order in which they were given, and NextCursor
	// continues it. They are there where one workflow is shown.
	Tasks      []WorkflowNode `json:"tasks,omitempty"`
	NextCursor *string        `json:"next_cursor,omitempty"`
}

// WorkflowCounts counts the tasks of a workflow.
type WorkflowCounts struct {
	// Waiting are PENDING and wait for others; Pending do not.
	Waiting    int `json:"waiting"`
	Pending    int `json:"pending"`
	Processing int `json:"processing"`
	Retrying   int `json:"retrying"`
	Completed  int `json:"completed"`
	Failed     int `json:"failed"`
	Cancelled  int `json:"cancelled"`
}

// WorkflowNode is a task as its workflow shows it.
type WorkflowNode struct {
	Ref    string    `json:"ref"`
	TaskID uuid.UUID `json:"task_id"`
	Type   string    `json:"type"`
	Queue  string    `json:"queue"`
	After  []string  `json:"after"`
	When   string    `json:"when"`
	Status string    `json:"status"`
	// Waiting is whether it is PENDING and waits for others.
	Waiting bool `json:"waiting"`
}

// WorkflowList is one page of workflows, newest first.
type WorkflowList struct {
	Workflows []Workflow `json:"workflows"`
	// NextCursor continues the list; null on the last page.
	NextCursor *string `json:"next_cursor"`
}

// WorkflowRef says to which node of which workflow a task belongs.
type WorkflowRef struct {
	ID  uuid.UUID `json:"id"`
	Ref string    `json:"ref"`
}

// PredecessorList is one page of the tasks that a task waited for, in the order of its after.
type PredecessorList struct {
	Predecessors []Predecessor `json:"predecessors"`
	// NextCursor continues the list; null on the last page.
	NextCursor *string `json:"next_cursor"`
}

// Predecessor is how a task ended that another one waited for.
type Predecessor struct {
	Ref    string    `json:"ref"`
	TaskID uuid.UUID `json:"task_id"`
	Status string    `json:"status"`
	// Result is that of a COMPLETED task, else null; Error the newest message of another.
	Result json.RawMessage `json:"result"`
	Error  string          `json:"error"`
}
