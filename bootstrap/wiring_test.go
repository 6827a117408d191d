package bootstrap

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"logsift/adapters/builtin"
	"logsift/adapters/httpapi/openapitest"
	"logsift/adapters/redisstore/redistest"
	"logsift/ports"
)

// testConfig is a configuration for tests: a free port, and no log of its own.
func testConfig(store string) Config {
	config := DefaultConfig()
	config.Store, config.Addr, config.LogLevel = store, "127.0.0.1:0", "error"
	config.BatchAge = 20 * time.Millisecond
	return config
}

func TestEveryStoreWiresWithEveryAnalyzer(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]string{
		"sqlite":         "sqlite:x.db",
		"redis":          "redis://localhost:6379/0",
		"redis TLS":      "rediss://localhost:6379/0",
		"redis sentinel": "redis+sentinel://a:26379,b:26379/0?master=main",
		"redis cluster":  "redis+cluster://a:6379,b:6379",
		"memory":         "memory:",
	} {
		for _, analyzer := range []string{AnalyzerBuiltin, AnalyzerOpenAI} {
			t.Run(name+" with "+analyzer, func(t *testing.T) {
				t.Parallel()
				config := testConfig(store)
				config.Analyzer, config.AIBaseURL, config.AIModel = analyzer, "http://127.0.0.1:1/v1", "m"
				require.NoError(t, config.Validate())
				require.NoError(t, fx.ValidateApp(fx.NopLogger, options(t.Context(), config, &opened{})))
			})
		}
	}
}

func TestTheWiringIsChecked(t *testing.T) {
	t.Parallel()
	config := testConfig("memory:")
	err := fx.ValidateApp(
		fx.NopLogger, fx.Supply(config, &opened{}), loggerModule(), analyzerModule(&config), applicationModule(), httpModule(),
	)
	require.ErrorContains(t, err, "missing type", "a system without a store must not pass")

	config.Store = "mysql://localhost"
	require.ErrorContains(t, fx.ValidateApp(fx.NopLogger, options(t.Context(), config, &opened{})), "store must be sqlite:PATH")
}

func TestNothingIsMeasuredWhereNobodyCanAsk(t *testing.T) {
	t.Parallel()
	plain := func(config Config) bool {
		var analyzer ports.LogAnalyzer
		var o observers
		require.NoError(t, fx.New(options(t.Context(), config, &opened{}), fx.NopLogger, fx.Populate(&analyzer, &o)).Err())
		_, plain := analyzer.(*builtin.Analyzer)
		require.Equal(t, plain, len(o.calls) == 0)
		return plain
	}
	config := testConfig("memory:")
	require.False(t, plain(config))
	config.Addr, config.MetricsAddr = "", "127.0.0.1:0"
	require.False(t, plain(config))
	config.MetricsAddr = ""
	require.True(t, plain(config), "nothing is in the way of the work")
}

// storeOfEachKind returns a store of each kind for the test.
func storeOfEachKind(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{
		storeMemory: "memory:",
		storeSQLite: "sqlite:" + filepath.Join(t.TempDir(), "new", "folder", "logsift.db"),
		storeRedis:  redistest.Start(t).URL(),
	}
}

// status asks for a path and returns the status.
func status(t *testing.T, a *App, path string) int {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: openapitest.API().Transport(transport)}).Get(a.URL() + path)
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, res.Body)
	require.NoError(t, res.Body.Close())
	return res.StatusCode
}

func TestAnAppStartsOnceAndStopsAsOftenAsAsked(t *testing.T) {
	t.Parallel()
	for name, store := range storeOfEachKind(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, err := New(t.Context(), testConfig(store))
			require.NoError(t, err)
			require.Empty(t, a.Addr(), "nothing listens before Start")
			require.Empty(t, a.URL())
			require.NoError(t, a.Start(t.Context()))
			require.ErrorContains(t, a.Start(t.Context()), "started before")
			require.Equal(t, http.StatusOK, status(t, a, "/readyz"), "a second Start disturbs nothing")

			stops := make(chan error)
			for range 2 {
				go func() { stops <- a.Stop(t.Context()) }()
			}
			require.NoError(t, <-stops)
			require.NoError(t, <-stops)
			require.NoError(t, a.Stop(t.Context()))
			require.ErrorContains(t, a.Start(t.Context()), "cannot start again")
			_, err = net.Dial("tcp", a.Addr())
			require.Error(t, err, "nothing listens after Stop")
		})
	}
}

// An App that is not started has its store open. That Stop closes it is seen by
// the check for goroutines in TestMain, and here by what a closed store answers.
func TestAnAppThatWasNotStartedIsClosedByStop(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]string{"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "x.db"), "redis": redistest.Start(t).URL()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, err := New(t.Context(), testConfig(store))
			require.NoError(t, err)
			require.NoError(t, a.Stop(t.Context()))
			res, err := a.Client().Get("http://127.0.0.1/readyz")
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
			require.ErrorContains(t, a.Start(t.Context()), "cannot start again")
		})
	}
}

func TestAStartWhoseContextHasEndedLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, store := range storeOfEachKind(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, err := New(t.Context(), testConfig(store))
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			require.ErrorIs(t, a.Start(ctx), context.Canceled)
			require.NoError(t, a.Stop(t.Context()))
		})
	}
}

func TestNewThatFailsLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	t.Run("a store that does not answer", func(t *testing.T) {
		t.Parallel()
		config := testConfig("redis://:secret@127.0.0.1:1/0")
		_, err := New(t.Context(), config)
		require.ErrorContains(t, err, "127.0.0.1:1")
		require.ErrorContains(t, err, "connection refused")
		require.NotContains(t, err.Error(), "secret")
		require.NotContains(t, err.Error(), "could not build", "fx's words are not for users")
	})
	t.Run("a folder that cannot be made", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(file, nil, 0o600))
		_, err := New(t.Context(), testConfig("sqlite:"+filepath.Join(file, "logsift.db")))
		require.ErrorContains(t, err, "make the folder of the store")
	})
	t.Run("a constructor after the store", func(t *testing.T) {
		t.Parallel()
		config := testConfig("sqlite:" + filepath.Join(t.TempDir(), "x.db"))
		o := &opened{}
		app := fx.New(
			options(t.Context(), config, o), fx.NopLogger,
			fx.Invoke(func(*apiServer) error { return os.ErrInvalid }),
		)
		require.ErrorIs(t, rootCause(app.Err()), os.ErrInvalid)
		require.Len(t, o.closers, 1, "New closes what this holds")
		require.NoError(t, o.close())
	})
}

func TestTheAnswerOfTheAPIWithoutANetworkIsThatOfTheServer(t *testing.T) {
	t.Parallel()
	config := testConfig("memory:")
	config.Addr = ""
	a, err := New(t.Context(), config)
	require.NoError(t, err)
	require.NoError(t, a.Start(t.Context()))
	defer func() { require.NoError(t, a.Stop(t.Context())) }()
	require.Empty(t, a.Addr())
	require.Empty(t, a.URL(), "no server, no address")
	res, err := a.Client().Get("http://127.0.0.1/api/v1/queue/tasks/none")
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusBadRequest, res.StatusCode)
	require.Equal(t, "application/problem+json", res.Header.Get("Content-Type"))
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, int64(len(body)), res.ContentLength)
	require.Contains(t, string(body), "must be a UUID")
}
