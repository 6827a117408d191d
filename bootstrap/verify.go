package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"logsift/adapters/redisstore"
	"logsift/adapters/sqlitestore"
	"logsift/domain"
	"logsift/ports"
)

// Verifier checks a store. Close it.
type Verifier struct {
	store ports.StoreVerifier
	close func() error
}

// OpenVerifier opens the store of the configuration to check it; nothing works on
// its tasks. It never makes a store: an SQLite file has to be there. The store
// memory:, which nobody else can see, is refused with a *domain.ValidationError.
func OpenVerifier(ctx context.Context, config Config) (*Verifier, error) {
	kind, rest, err := config.storeKind()
	if err != nil {
		return nil, err
	}
	switch kind {
	case storeRedis:
		client, err := redisstore.Open(ctx, config.redis())
		if err != nil {
			return nil, err
		}
		return &Verifier{store: redisstore.NewVerifier(client), close: client.Close}, nil
	case storeSQLite:
		if _, err := os.Stat(rest); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no store at %s: name one with --store", rest)
		}
		db, err := sqlitestore.Open(ctx, rest, sqlitestore.Config{})
		if err != nil {
			return nil, err
		}
		return &Verifier{store: db, close: db.Close}, nil
	default:
		return nil, &domain.ValidationError{Field: "store", Rule: "must be a Redis or an SQLite file: what is in the memory of a process ends with it"}
	}
}

// Verify checks the store, and mends with repair what can be mended. It calls report with
// each finding, and progress now and then with what was looked at so far.
func (v *Verifier) Verify(ctx context.Context, repair bool, report func(domain.Finding), progress func(domain.VerifySummary)) (domain.VerifySummary, error) {
	return v.store.Verify(ctx, ports.VerifyRequest{Repair: repair, Report: report, Progress: progress})
}

// Close closes the store.
func (v *Verifier) Close() error { return v.close() }
