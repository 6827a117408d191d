package layout

import (
	"slices"
	"strings"
)

// Rows are those of all tables.
func Rows() []Key { return slices.Concat(queueTable, logTable, schedulerTable, scheduleTable) }

// Row is the row of a key of the namespace.
func Row(namespace, key string) (Key, bool) {
	tag, name, _ := strings.Cut(strings.TrimPrefix(key, "{"+namespace+":"), "}:")
	table := queueTable
	switch tag {
	case "logs":
		table = logTable
	case "fleet":
		table = schedulerTable
	case "schedules":
		table = scheduleTable
	}
	for _, k := range table {
		kind, _, varies := strings.Cut(k.Name, ":")
		if name == k.Name || varies && strings.HasPrefix(name, kind+":") {
			return k, true
		}
	}
	return Key{}, false
}
