package layout

import (
	"fmt"
	"strconv"
	"strings"

	"logsift/domain"

	"github.com/google/uuid"
)

const (
	// MaxReadyLists bounds the pairs of queue and type that have tasks at the same time,
	// since a claim that takes any of them looks at each.
	MaxReadyLists = 1024
	// Version is the version of the data layout of the queue. A table of ready lists of an
	// earlier version is brought to this one by the first process that reads it; one of
	// a later version is refused.
	Version = 3
	// PlainVersion is that of a queue without what follows tasks, such as limits, so that
	// programs that do not know of it can be used beside this one.
	PlainVersion = 2
)

// ReservedList is that of log analyses, for which there is room beyond MaxReadyLists: whoever
// sends logs cannot be told to choose another queue.
var ReservedList = ListName(domain.DefaultQueue, domain.TaskTypeLogAnalysis)

// PauseMark is what the fields of paused queues begin with in the stored ready lists: no
// queue does, so that they are told from ready lists.
const PauseMark = "!"

// GroupsFollowed is a field of what queue/table.lua replies, if groups are followed.
const GroupsFollowed = "+"

// TurnsMark is what the script of the table begins the names of queues with whose keys take
// turns.
const TurnsMark = "*"

// PausedQueue returns the queue that a field of the stored ready lists says to be paused,
// "" for another field.
func PausedQueue(field string) string {
	if name, ok := strings.CutPrefix(field, PauseMark); ok && !strings.Contains(name, "|") {
		return name
	}
	return ""
}

// ListName is the name of the ready list of a queue and type.
func ListName(queue string, typ domain.TaskType) string { return queue + "|" + string(typ) }

// ListNumber reads the number of a ready list, and whether new tasks may come to it.
func ListNumber(text string) (n int, open, ok bool) {
	n, err := strconv.Atoi(text)
	if open = n >= 0; !open {
		n = -1 - n
	}
	return n, open, err == nil && n <= MaxReadyLists
}

// The field "lanes" of meta tells the layout of the queue, and how many ready lists there are.
// Layout 1 had the number alone, and the first programs had it and the epoch in two
// fields of the table itself: NoCount stops those.
const (
	FirstEpoch = ""
	FirstCount = "#"
	NoCount    = "-"
)

// JoinLayout is the text of that field for so many ready lists of a plain queue.
func JoinLayout(lists int) string { return fmt.Sprintf("%d:%d", PlainVersion, lists) }

// SplitLayout reads the field.
func SplitLayout(text string) (version, lists int, ok bool) {
	first, second, versioned := strings.Cut(text, ":")
	if !versioned {
		first, second = "1", text
	}
	version, err := strconv.Atoi(first)
	lists, err2 := strconv.Atoi(second)
	return version, lists, err == nil && err2 == nil
}

// MaxPartitions is the most partitions that a queue can have: more than the nodes
// of a large Cluster, and few enough for a claim that finds nothing to ask each.
const MaxPartitions = 64

// PartitionOf is the partition of a task: FNV-1a of its key, of what GroupName says if it has a
// group, of its unique key if it has none of both, or else of its id, modulo the number of
// partitions. It is part of the data layout.
func PartitionOf(name []byte, partitions int) int {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for _, b := range name {
		h = (h ^ uint64(b)) * prime
	}
	return int(h % uint64(partitions))
}

// GroupName names the group of a task among all.
func GroupName(t *domain.Task) []byte { return []byte(ListName(t.Queue, t.Type) + "|" + t.Group) }

// How many partitions a queue has is part of the epoch of its ready lists, which
// each script that puts tasks anywhere compares. So a process that is set to
// another number reads and writes nothing in the wrong partition, not even after
// the database was emptied under it. The first partition has its epoch
// before any other has one, so that two processes cannot begin with two numbers.

// NewEpoch makes an epoch for the ready lists of a queue: a random string,
// behind the number of partitions and a slash if they are several.
func NewEpoch(partitions int) string {
	if partitions == 1 {
		return uuid.NewString()
	}
	return strconv.Itoa(partitions) + "/" + uuid.NewString()
}

// EpochPartitions is the number of partitions that an epoch tells of, 0
// if it is damaged.
func EpochPartitions(epoch string) int {
	count, id, several := strings.Cut(epoch, "/")
	if !several {
		count, id = "1", epoch
	}
	n, err := strconv.Atoi(count)
	if _, bad := uuid.Parse(id); bad != nil || err != nil || n < 1 || n > MaxPartitions {
		return 0
	}
	return n
}
