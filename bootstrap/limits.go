package bootstrap

import (
	"context"
	"errors"
	"maps"
	"slices"

	"logsift/adapters/httpapi"
	"logsift/application"
	"logsift/domain"
)

// limitsKey is the key of the file that holds the limits.
const limitsKey = "limits"

// decodeLimit reads one of the limits. The error names it and its field.
func (c *Config) decodeLimit(name string) (domain.Limit, error) {
	l, err := httpapi.DecodeLimit(name, c.Limits[name])
	return l, inNamed(limitsKey, name, err)
}

func (c *Config) validateLimits() error {
	var errs []error
	for name := range c.Limits {
		_, err := c.decodeLimit(name)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// setLimits stores the limits of the configuration that are others than those stored, if
// this process stays. Those of keys may be stored and not yet kept to everywhere, if a
// process that set them has died: a repeat ends that, or does nothing.
func setLimits(service *application.LimitService, config Config) func(context.Context) error {
	return func(ctx context.Context) error {
		if config.Addr == "" && config.Workers == 0 || len(config.Limits) == 0 {
			return nil
		}
		ctx = hookBound(ctx)
		stored, err := service.ListLimits(ctx)
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(config.Limits)) {
			l, err := config.decodeLimit(name)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(stored, func(s domain.LimitUse) bool { return s.Limit == l && l.Scope != domain.LimitKey }) {
				continue
			}
			if _, _, err := service.PutLimit(ctx, l); err != nil {
				return inNamed(limitsKey, name, err)
			}
		}
		return nil
	}
}
