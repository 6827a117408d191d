package application

import (
	"context"
	"log/slog"
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"logsift/domain"
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

// RunLogger returns a logger whose lines are those of [Log], of the run that ctx is of. Its
// groups are parts of the names of attributes, as in "http.status".
func RunLogger(ctx context.Context) *slog.Logger { return slog.New(runHandler{ctx: ctx}) }

// runHandler writes to the log of a run.
type runHandler struct {
	ctx    context.Context //nolint:containedctx // it names the run
	attrs  []slog.Attr
	groups string // ended by "." unless there are none
}

func (h runHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h runHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.attrs = slices.Clip(h.attrs)
	for _, a := range attrs {
		h.attrs = append(h.attrs, slog.Attr{Key: h.groups + a.Key, Value: a.Value})
	}
	return h
}

func (h runHandler) WithGroup(name string) slog.Handler {
	if name != "" {
		h.groups += name + "."
	}
	return h
}

func (h runHandler) Handle(_ context.Context, record slog.Record) error {
	attributes := make(map[string]string, len(h.attrs)+record.NumAttrs())
	for _, a := range h.attrs {
		flatten(attributes, "", a)
	}
	record.Attrs(func(a slog.Attr) bool {
		flatten(attributes, h.groups, a)
		return true
	})
	Log(h.ctx, levelOf(record.Level), record.Message, attributes) //nolint:contextcheck // The run is that of the logger.
	return nil
}

// flatten adds an attribute, or those of a group.
func flatten(attributes map[string]string, prefix string, a slog.Attr) {
	value := a.Value.Resolve()
	if value.Kind() != slog.KindGroup {
		attributes[prefix+a.Key] = value.String()
		return
	}
	if a.Key != "" {
		prefix += a.Key + "."
	}
	for _, part := range value.Group() {
		flatten(attributes, prefix, part)
	}
}

func levelOf(level slog.Level) domain.LogLevel {
	switch {
	case level < slog.LevelDebug:
		return domain.LogLevelTrace
	case level < slog.LevelInfo:
		return domain.LogLevelDebug
	case level < slog.LevelWarn:
		return domain.LogLevelInfo
	case level < slog.LevelError:
		return domain.LogLevelWarn
	default:
		return domain.LogLevelError
	}
}
