package application_test

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"logsift/application"
)

func TestLinesGoToSlog(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger := application.SlogLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})))
	logger.Debug("not at this level")
	logger.With(zap.String("queue", "mail")).Info("begun", zap.Duration("in", time.Second))
	logger.Error("failed", zap.Error(errors.New("boom")), zap.Stringer("level", slog.LevelWarn))
	require.Equal(t, "level=INFO msg=begun queue=mail in=1s\nlevel=ERROR msg=failed error=boom level=WARN\n", out.String())
	application.SlogLogger(nil).Error("to nobody")
}
