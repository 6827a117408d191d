package chaos

import (
	"strconv"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// stormWorkers are the processes of a storm on a store that it is told of.
type stormWorkers []*Process

func stormSettings() Settings {
	return Settings{Lease: 1500 * time.Millisecond, Retention: 24 * time.Hour, MaxRecoveries: ports.MaxRecoveries, Slots: 6}
}

// startWorkers starts three that run tasks of the types.
func startWorkers(child ChildConfig, types ...domain.TaskType) (stormWorkers, error) {
	var w stormWorkers
	for i := range 3 {
		child.Role, child.Name, child.Settings = RoleWorker, "worker-"+strconv.Itoa(i), stormSettings()
		child.Types = types
		w = append(w, NewProcess(child))
	}
	for _, p := range w {
		if err := p.AwaitReady(); err != nil {
			w.Close()
			return nil, err
		}
	}
	return w, nil
}

// Close ends the processes.
func (w stormWorkers) Close() {
	for _, p := range w {
		p.Close()
	}
}
