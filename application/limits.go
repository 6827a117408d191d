package application

import (
	"context"
	"fmt"

	"logsift/domain"
	"logsift/ports"
)

// LimitService sets the limits of queues, types and keys. It is safe for concurrent use.
type LimitService struct {
	keeper ports.LimitKeeper
	types  *TaskTypes
}

// NewLimitService returns the service of a store. It announces the types that limits name to
// types, if that is not nil.
func NewLimitService(keeper ports.LimitKeeper, types *TaskTypes) *LimitService {
	return &LimitService{keeper, types}
}

// LimitedTypes lists the types that the limits of a store name.
func LimitedTypes(keeper ports.LimitKeeper) TypeSource {
	return func(ctx context.Context) (out []domain.TaskType, err error) {
		limits, err := keeper.ListLimits(ctx)
		for i := range limits {
			if limits[i].Scope == domain.LimitType {
				out = append(out, limits[i].Type)
			}
		}
		return out, err
	}
}

// PutLimit sets the limit, returns it with its use, and reports whether its name is new. The
// errors are those of ports.LimitKeeper.
func (s *LimitService) PutLimit(ctx context.Context, limit domain.Limit) (use domain.LimitUse, created bool, err error) {
	before, err := s.ListLimits(ctx)
	if err != nil {
		return use, false, err
	}
	if err := s.keeper.SetLimit(ctx, limit); err != nil {
		return use, false, fmt.Errorf("set limit: %w", err)
	}
	if limit.Scope == domain.LimitType {
		s.types.announce(ctx, limit.Type)
	}
	_, stored := named(before, limit.Name)
	use, err = s.GetLimit(ctx, limit.Name)
	return use, !stored, err
}

// GetLimit returns the limit of a name, or domain.ErrLimitNotFound.
func (s *LimitService) GetLimit(ctx context.Context, name string) (domain.LimitUse, error) {
	limits, err := s.ListLimits(ctx)
	if err != nil {
		return domain.LimitUse{}, err
	}
	use, stored := named(limits, name)
	if !stored {
		return use, fmt.Errorf("limit %q: %w", name, domain.ErrLimitNotFound)
	}
	return use, nil
}

func named(limits []domain.LimitUse, name string) (domain.LimitUse, bool) {
	for i := range limits {
		if limits[i].Name == name {
			return limits[i], true
		}
	}
	return domain.LimitUse{}, false
}

// ListLimits returns all limits by name.
func (s *LimitService) ListLimits(ctx context.Context) ([]domain.LimitUse, error) {
	limits, err := s.keeper.ListLimits(ctx)
	if err != nil {
		return nil, fmt.Errorf("list limits: %w", err)
	}
	return limits, nil
}

// DeleteLimit removes the limit of a name, or returns domain.ErrLimitNotFound.
func (s *LimitService) DeleteLimit(ctx context.Context, name string) error {
	if err := s.keeper.DeleteLimit(ctx, name); err != nil {
		return fmt.Errorf("delete limit %q: %w", name, err)
	}
	return nil
}
