package bootstrap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apikey"
	"logsift/application"
	"logsift/domain"
)

// schedulesKey is the key of the file that holds the schedules.
const schedulesKey = "schedules"

// readNamed makes JSON of a mapping of names to what the API has as bodies.
func readNamed(node *yaml.Node) (map[string]json.RawMessage, error) {
	var byName map[string]map[string]any
	if err := node.Decode(&byName); err != nil {
		return nil, err //nolint:wrapcheck // The caller says where.
	}
	out := make(map[string]json.RawMessage, len(byName))
	for name, fields := range byName {
		body, err := json.Marshal(fields)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = body
	}
	return out, nil
}

// decodeSchedule reads one of the schedules. The error names it and its field.
func (c *Config) decodeSchedule(name string) (domain.Schedule, error) {
	// Who writes the configuration is an administrator.
	s, err := httpapi.DecodeSchedule(apikey.Admin, name, c.Schedules[name])
	return s, inNamed(schedulesKey, name, err)
}

// inNamed says in which entry of the key an error is.
func inNamed(key, name string, err error) error {
	if errors.Is(err, domain.ErrInvalid) {
		return domain.InField(key+"."+name, err)
	}
	if err != nil {
		return fmt.Errorf("%s.%s: %w", key, name, err)
	}
	return nil
}

func (c *Config) validateSchedules() error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.Schedules)) {
		s, err := c.decodeSchedule(name)
		if err == nil {
			_, err = s.Compile(time.LoadLocation, time.Now())
			err = inNamed(schedulesKey, name, err)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// setSchedules stores the schedules of the configuration that are others than those
// stored, if this process stays. One that has no tick left is left out.
func setSchedules(service *application.ScheduleService, config Config) func(context.Context) error {
	return func(ctx context.Context) error {
		if config.Addr == "" && config.Workers == 0 {
			return nil
		}
		for _, name := range slices.Sorted(maps.Keys(config.Schedules)) {
			s, err := config.decodeSchedule(name)
			if err != nil {
				return err
			}
			_, _, err = service.PutSchedule(hookBound(ctx), s)
			// All else about the end was checked when the file was read.
			if invalid, ok := errors.AsType[*domain.ValidationError](err); ok && invalid.Field == "end" {
				continue
			}
			if err != nil {
				return inNamed(schedulesKey, name, err)
			}
		}
		return nil
	}
}
