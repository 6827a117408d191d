package prommetrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxScrapes is how many scrapes are answered at once; others get 503.
const maxScrapes = 4

// Handler answers with the metrics of the gatherer, as OpenMetrics to who asks for
// it. It brings the metrics of the store up to date first.
func (m *Metrics) Handler(gatherer prometheus.Gatherer) http.Handler {
	metrics := promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{
		// What can be told is told; a collector that fails is no reason to be blind.
		ErrorHandling:       promhttp.ContinueOnError,
		EnableOpenMetrics:   true,
		MaxRequestsInFlight: maxScrapes,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, f := range m.refreshers {
			f.refresh(r.Context())
		}
		metrics.ServeHTTP(w, r)
	})
}
