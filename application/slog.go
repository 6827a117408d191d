package application

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// SlogLogger returns a logger that writes to another, which may be nil to log nothing.
func SlogLogger(logger *slog.Logger) *zap.Logger {
	if logger == nil {
		return zap.NewNop()
	}
	return zap.New(slogCore{logger.Handler()})
}

// slogCore is a zapcore.Core that writes to a slog.Handler. The levels of slog are four
// times those of zap.
type slogCore struct{ handler slog.Handler }

var _ zapcore.Core = slogCore{}

func (c slogCore) Enabled(level zapcore.Level) bool {
	return c.handler.Enabled(noContext(), slog.Level(4*level))
}

func (c slogCore) With(fields []zapcore.Field) zapcore.Core {
	return slogCore{c.handler.WithAttrs(slogAttrs(fields))}
}

func (c slogCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return checked.AddCore(entry, c)
	}
	return checked
}

func (c slogCore) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	record := slog.NewRecord(entry.Time, slog.Level(4*entry.Level), entry.Message, 0)
	record.AddAttrs(slogAttrs(fields)...)
	return c.handler.Handle(noContext(), record)
}

func (slogCore) Sync() error { return nil }

func slogAttrs(fields []zapcore.Field) []slog.Attr {
	attrs := make([]slog.Attr, 0, len(fields))
	for _, f := range fields {
		values := zapcore.NewMapObjectEncoder()
		f.AddTo(values)
		for key, value := range values.Fields {
			attrs = append(attrs, slog.Any(key, value))
		}
	}
	return attrs
}

// noContext is the context of a line, since zap passes none.
func noContext() context.Context { return context.Background() } //nolint:forbidigo // See above.
