package bootstrap

import (
	"fmt"
	"os"

	"go.uber.org/fx"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"
)

func loggerModule() fx.Option {
	return fx.Module("logger", fx.Provide(newLogger))
}

// newLogger writes to standard error: for people on a terminal, else as JSON.
func newLogger(config Config) (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(config.LogLevel)
	if err != nil {
		return nil, fmt.Errorf("log-level: %w", err)
	}
	console := config.LogFormat == "console"
	if config.LogFormat == "auto" {
		console = term.IsTerminal(int(os.Stderr.Fd()))
	}
	var encoder zapcore.Encoder
	if console {
		c := zap.NewDevelopmentEncoderConfig()
		c.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		c.EncodeLevel = zapcore.CapitalColorLevelEncoder
		if os.Getenv("NO_COLOR") != "" || !term.IsTerminal(int(os.Stderr.Fd())) {
			c.EncodeLevel = zapcore.CapitalLevelEncoder
		}
		encoder = zapcore.NewConsoleEncoder(c)
	} else {
		c := zap.NewProductionEncoderConfig()
		c.EncodeTime = zapcore.RFC3339NanoTimeEncoder
		encoder = zapcore.NewJSONEncoder(c)
	}
	return zap.New(zapcore.NewCore(printableEncoder{encoder, console}, zapcore.Lock(os.Stderr), level)), nil
}
