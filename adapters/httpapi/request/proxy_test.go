package request_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
)

func TestTheClientIsReadThroughTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	core, lines := observer.New(zapcore.InfoLevel)
	w := apitest.New(httpapi.Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}},
		func(deps *httpapi.Deps) { deps.Audit = zap.New(core) })
	for name, c := range map[string]struct {
		peer   string // "" is 10.0.0.1:1
		header []string
		want   string
	}{
		"no header":                          {want: "10.0.0.1"},
		"one hop":                            {header: []string{"X-Forwarded-For", "192.0.2.7"}, want: "192.0.2.7"},
		"a header of a stranger":             {peer: "192.0.2.9:1", header: []string{"X-Forwarded-For", "192.0.2.7"}, want: "192.0.2.9"},
		"what the client wrote before":       {header: []string{"X-Forwarded-For", "1.1.1.1, 192.0.2.7"}, want: "192.0.2.7"},
		"two proxies":                        {header: []string{"X-Forwarded-For", "1.1.1.1, 192.0.2.7, 10.2.0.1"}, want: "192.0.2.7"},
		"two headers":                        {header: []string{"X-Forwarded-For", "192.0.2.7", "X-Forwarded-For", "10.2.0.1"}, want: "192.0.2.7"},
		"a client among the proxies":         {header: []string{"X-Forwarded-For", "10.3.0.1, 10.2.0.1"}, want: "10.3.0.1"},
		"with a port":                        {header: []string{"X-Forwarded-For", "192.0.2.7:5000"}, want: "192.0.2.7"},
		"IPv6":                               {header: []string{"X-Forwarded-For", "2001:db8::1"}, want: "2001:db8::1"},
		"IPv6 with a port":                   {peer: "[fd00::1]:1", header: []string{"X-Forwarded-For", "[2001:db8::1]:5000"}, want: "2001:db8::1"},
		"IPv4 within IPv6":                   {peer: "[::ffff:10.0.0.1]:1", header: []string{"X-Forwarded-For", "::ffff:192.0.2.7"}, want: "192.0.2.7"},
		"no address":                         {header: []string{"X-Forwarded-For", "192.0.2.7, unknown"}, want: "10.0.0.1"},
		"no address behind a proxy":          {header: []string{"X-Forwarded-For", "x, 10.2.0.1"}, want: "10.2.0.1"},
		"an empty header":                    {header: []string{"X-Forwarded-For", ""}, want: "10.0.0.1"},
		"the standard header":                {header: []string{"Forwarded", `for=1.1.1.1, For="[2001:db8::1]:5000";proto=https;by=_x`}, want: "2001:db8::1"},
		"the standard header, hidden":        {header: []string{"Forwarded", "for=_hidden"}, want: "10.0.0.1"},
		"the standard header without for":    {header: []string{"Forwarded", "proto=https"}, want: "10.0.0.1"},
		"both headers":                       {header: []string{"Forwarded", "for=192.0.2.7", "X-Forwarded-For", "192.0.2.7"}, want: "192.0.2.7"},
		"one of the headers is the client's": {header: []string{"Forwarded", "for=1.1.1.1", "X-Forwarded-For", "192.0.2.7"}, want: "10.0.0.1"},
	} {
		lines.TakeAll()
		r := httptest.NewRequest(http.MethodDelete, "/api/v1/session", nil)
		r.RemoteAddr = "10.0.0.1:1"
		if c.peer != "" {
			r.RemoteAddr = c.peer
		}
		for i := 0; i < len(c.header); i += 2 {
			r.Header.Add(c.header[i], c.header[i+1])
		}
		w.API.Handler().ServeHTTP(httptest.NewRecorder(), r)
		require.Equal(t, c.want, lines.All()[0].ContextMap()["remote"], name)
	}
}
