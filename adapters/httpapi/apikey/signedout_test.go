package apikey_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/apikey"
	"logsift/adapters/memstore"
	"logsift/domain"
	"logsift/ports"
)

// awayStates is a store that can be away.
type awayStates struct {
	ports.DocumentStore

	away  error
	looks int
}

func (s *awayStates) LoadDocuments(ctx context.Context, keys ...string) ([]domain.Document, error) {
	if s.looks++; s.away != nil {
		return nil, s.away
	}
	return s.DocumentStore.LoadDocuments(ctx, keys...)
}

// someone signs in with a key of its own.
func someone(t *testing.T, name string) (apikey.Keys, func() (apikey.Holder, string)) {
	t.Helper()
	key, text := apikey.New(name, apikey.Write, now, time.Time{})
	keys := apikey.Of(key)
	return keys, func() (apikey.Holder, string) {
		holder, session, _, err := keys.SignIn(text, now)
		require.NoError(t, err)
		return holder, session
	}
}

func TestASessionIsEndedByItself(t *testing.T) {
	t.Parallel()
	at, ctx := now, t.Context()
	clock := func() time.Time { return at }
	out := apikey.NewSignedOut(memstore.NewLogRepository(memstore.Config{Now: clock}), clock)
	keys, anna := someone(t, "anna")
	_, ben := someone(t, "ben")
	a, first := anna()
	_, second := anna()
	require.NotEqual(t, first, second, "those of one second differ")
	require.False(t, out.Has(ctx, a, first))
	require.NoError(t, out.Add(ctx, a, first))
	require.True(t, out.Has(ctx, a, first))
	require.False(t, out.Has(ctx, a, second))

	// The last character of a signature has bits that mean nothing.
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	spellings := 0
	for _, digit := range digits {
		other := first[:len(first)-1] + string(digit)
		if _, err := keys.Session(other, now); err == nil {
			spellings++
			require.True(t, out.Has(ctx, a, other))
		}
	}
	require.Greater(t, spellings, 1)

	// Many of one key push out its own only, and none is kept when it has ended by itself.
	b, bens := ben()
	require.NoError(t, out.Add(ctx, b, bens))
	for range 200 {
		_, one := anna()
		require.NoError(t, out.Add(ctx, a, one))
		require.True(t, out.Has(ctx, a, one))
	}
	require.True(t, out.Has(ctx, b, bens))
	require.False(t, out.Has(ctx, a, first))
	_, later := ben()
	at = at.Add(apikey.SessionLifetime)
	require.NoError(t, out.Add(ctx, b, later))
	require.False(t, out.Has(ctx, b, bens))
}

func TestASessionIsEndedAtAllProcesses(t *testing.T) {
	t.Parallel()
	at, ctx := now, t.Context()
	clock := func() time.Time { return at }
	store := &awayStates{DocumentStore: memstore.NewLogRepository(memstore.Config{Now: clock})}
	one, other := apikey.NewSignedOut(store, clock), apikey.NewSignedOut(store, clock)
	_, anna := someone(t, "anna")
	a, session := anna()
	_, second := anna()
	require.False(t, other.Has(ctx, a, session))
	require.NoError(t, one.Add(ctx, a, session))
	require.True(t, one.Has(ctx, a, session), "at once where it was ended")
	store.looks = 0
	for range 100 {
		require.False(t, other.Has(ctx, a, session))
	}
	require.Zero(t, store.looks, "the store is looked at once a second")
	at = at.Add(time.Second)
	require.True(t, other.Has(ctx, a, session))
	require.True(t, apikey.NewSignedOut(store, clock).Has(ctx, a, session), "a restart forgets nothing")

	// Without the store nothing is ended, and nothing comes back.
	store.away = fmt.Errorf("load: %w", domain.ErrStoreUnavailable)
	at = at.Add(time.Second)
	require.True(t, other.Has(ctx, a, session))
	require.ErrorIs(t, other.Add(ctx, a, second), domain.ErrStoreUnavailable)
	require.False(t, other.Has(ctx, a, second))
	store.away = nil
	require.NoError(t, other.Add(ctx, a, second))
	at = at.Add(time.Second)
	require.True(t, one.Has(ctx, a, second))
	require.True(t, one.Has(ctx, a, session))
}

func TestSessionsThatEndAtTheSameTimeEndAll(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	clock := func() time.Time { return now }
	store := memstore.NewLogRepository(memstore.Config{Now: clock})
	_, anna := someone(t, "anna")
	sessions := make([]string, 20)
	var holder apikey.Holder
	for i := range sessions {
		holder, sessions[i] = anna()
	}
	var group sync.WaitGroup
	for _, session := range sessions {
		process := apikey.NewSignedOut(store, clock)
		group.Go(func() {
			if err := process.Add(ctx, holder, session); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, session := range sessions {
		require.True(t, apikey.NewSignedOut(store, clock).Has(ctx, holder, session))
	}
}
