package bootstrap

import "go.uber.org/zap/zapcore"

// PrintableEncoder is that of the program's own log.
func PrintableEncoder(encoder zapcore.Encoder, plain bool) zapcore.Encoder {
	return printableEncoder{encoder, plain}
}
