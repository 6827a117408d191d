package httpapi

import (
	"net/http"

	"github.com/gorilla/mux"

	"logsift/adapters/httpapi/request"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// DecodeLimit makes a limit of its name and the JSON that a PUT has. The error is a
// *domain.ValidationError.
func DecodeLimit(name string, data []byte) (domain.Limit, error) {
	var in wire.PutLimit
	if err := request.Decode(data, &in); err != nil {
		return domain.Limit{}, err
	}
	out := domain.Limit{
		Name: name, Scope: domain.LimitScope(in.Scope), Queue: in.Queue, Type: domain.TaskType(in.Type), Key: in.Key,
		Retries: domain.RetryOrder(in.Retries),
	}
	if in.Concurrency != nil {
		if out.Concurrency = *in.Concurrency; out.Concurrency == 0 {
			return out, &domain.ValidationError{Field: "concurrency", Value: "0", Rule: "must be at least 1"}
		}
	}
	if rate := in.Rate; rate != nil {
		if rate.Count == 0 {
			return out, &domain.ValidationError{Field: "rate.count", Value: "0", Rule: "must be at least 1"}
		}
		per, err := duration("rate.per_seconds", rate.PerSeconds, domain.MaxRatePer)
		if err != nil {
			return out, err
		}
		out.Rate = domain.Rate{Count: rate.Count, Per: per}
		if rate.Burst != nil {
			if out.Rate.Burst = *rate.Burst; out.Rate.Burst == 0 {
				return out, &domain.ValidationError{Field: "rate.burst", Value: "0", Rule: "must be at least 1"}
			}
		}
	}
	return out, out.Validate()
}

func (a *API) putLimit(r *http.Request, name string, data []byte) (any, bool, error) {
	limit, err := DecodeLimit(name, data)
	if err != nil {
		return nil, false, err
	}
	use, created, err := a.limits.PutLimit(r.Context(), limit)
	if err != nil {
		return nil, false, err
	}
	return limitView(&use), created, nil
}

func (a *API) getLimit(w http.ResponseWriter, r *http.Request) error {
	use, err := a.limits.GetLimit(r.Context(), mux.Vars(r)["name"])
	if err != nil {
		return err
	}
	return wire.Write(w, http.StatusOK, limitView(&use))
}

func (a *API) listLimits(w http.ResponseWriter, r *http.Request) error {
	limits, err := a.limits.ListLimits(r.Context())
	if err != nil {
		return err
	}
	out := wire.LimitList{Limits: make([]wire.TaskLimit, len(limits))}
	for i := range limits {
		out.Limits[i] = limitView(&limits[i])
	}
	return wire.Write(w, http.StatusOK, out)
}

func (a *API) deleteLimit(w http.ResponseWriter, r *http.Request) error {
	name := mux.Vars(r)["name"]
	if err := domain.ValidateName("name", name); err != nil {
		return err
	}
	if err := a.limits.DeleteLimit(r.Context(), name); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func limitView(u *domain.LimitUse) wire.TaskLimit {
	out := wire.TaskLimit{Name: u.Name, Running: u.Running, PutLimit: wire.PutLimit{
		Scope: string(u.Scope), Queue: u.Queue, Type: string(u.Type), Key: u.Key, Retries: string(u.Retries),
	}}
	if u.Concurrency > 0 {
		out.Concurrency = &u.Concurrency
	}
	if rate := u.Rate; rate.Count > 0 {
		burst := rate.Size()
		out.Rate = &wire.Rate{Count: rate.Count, PerSeconds: rate.Per.Seconds(), Burst: &burst}
	}
	if u.Ordered() && out.Retries == "" {
		out.Retries = string(domain.RetriesBlock)
	}
	if u.Scope == domain.LimitKey {
		out.Waiting = &u.Waiting
	}
	return out
}
