package middleware_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// nowhere is a ResponseWriter that costs nothing, so that what is measured are the layers.
type nowhere struct{ header http.Header }

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n *nowhere) WriteHeader(int)             {}

func bench(b *testing.B, h http.Handler) {
	b.Helper()
	r := httptest.NewRequest(http.MethodPost, "/llm", http.NoBody)
	r.Header.Set("Authorization", "Bearer 0123456789abcdef0123456789abcdef")
	w := &nowhere{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}

type must struct{ b *testing.B }

func (m must) layers(log *slog.Logger, load middleware.Load, places int) map[string]gin.HandlerFunc {
	m.b.Helper()
	reg := prometheus.NewRegistry()
	metrics, err := middleware.NewMetrics(reg)
	if err != nil {
		m.b.Fatal(err)
	}
	shed, err := middleware.NewShed(config(), func() middleware.Load { return load }, reg)
	if err != nil {
		m.b.Fatal(err)
	}
	admission, _ := newAdmission(m.b, places)
	keys := newKeys(m.b, keyLine("0123456789abcdef0123456789abcdef", "ada", "free"))
	return map[string]gin.HandlerFunc{
		"tracing off": middleware.Tracing(nil), "request ID": middleware.RequestID(),
		"access log": middleware.AccessLog(log, nil),
		"metrics":    metrics.Handler(), "recover": middleware.Recover(log, fail), "admission": admission.Handler(fail),
		"deadline": middleware.Deadline(config().SLA), "identity": middleware.Identity(config(), keys, fail),
		"shed": shed.Handler(fail),
	}
}

// order is the order of the layers, without the user limit, whose cost is that of Redis.
var order = []string{"tracing off", "request ID", "access log", "metrics", "recover", "admission", "deadline",
	"identity", "shed"}

func nothing(*gin.Context) {}

func jsonLog() *slog.Logger { return telemetry.NewLogger(discardWriter{}, slog.LevelInfo) }

type discardWriter struct{} // io.Discard is known to slog, which then does nothing at all

func (discardWriter) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkLayer measures each layer on top of gin and, for those after it, of the request ID.
func BenchmarkLayer(b *testing.B) {
	layers := must{b}.layers(jsonLog(), middleware.Load{}, 200)
	b.Run("gin alone", func(b *testing.B) { bench(b, chain(nothing)) })
	b.Run("tracing off", func(b *testing.B) { bench(b, chain(nothing, layers["tracing off"])) })
	b.Run("request ID", func(b *testing.B) { bench(b, chain(nothing, layers["request ID"])) })
	for _, name := range order[2:] {
		b.Run("request ID and "+name, func(b *testing.B) {
			bench(b, chain(nothing, layers["request ID"], as("ada", "free"), layers[name]))
		})
	}
}

// BenchmarkInbound measures the whole way in, and what it costs to refuse.
func BenchmarkInbound(b *testing.B) {
	for name, bm := range map[string]struct {
		load   middleware.Load
		places int
		last   string // layer that is reached
	}{
		"served":   {middleware.Load{SlotUse: 1}, 200, "shed"},
		"shed":     {middleware.Load{Waiting: 100}, 200, "shed"},
		"overload": {middleware.Load{}, 1, "shed"},
	} {
		b.Run(name, func(b *testing.B) {
			layers := must{b}.layers(jsonLog(), bm.load, bm.places)
			var list []gin.HandlerFunc
			for _, layer := range order {
				list = append(list, layers[layer])
			}
			if bm.places > 1 {
				bench(b, chain(nothing, list...))
				return
			}
			release, inside := make(chan bool), make(chan bool)
			full := chain(func(*gin.Context) { inside <- true; <-release }, list...)
			done := make(chan bool)
			go func() { post(full, "X-API-Key", "0123456789abcdef0123456789abcdef"); done <- true }()
			<-inside
			bench(b, full)
			close(release)
			<-done
		})
	}
}

// BenchmarkUserLimit measures the limit against a real Redis, one caller after the other and many at once, and against
// this pod's own count.
func BenchmarkUserLimit(b *testing.B) {
	cfg := config()
	cfg.TierRates["enterprise"] = 1e9
	redis := redistest.Start(b)
	pod := newUserPod(b, redis.URL(), cfg)
	h := chain(nothing, middleware.RequestID(), as("ada", "enterprise"), pod.limit)
	b.Run("one", func(b *testing.B) { bench(b, h) })
	b.Run("64 at once", func(b *testing.B) {
		b.SetParallelism(32) // times GOMAXPROCS
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			r, w := httptest.NewRequest(http.MethodPost, "/llm", http.NoBody), &nowhere{header: http.Header{}}
			for pb.Next() {
				h.ServeHTTP(w, r)
			}
		})
	})
	redis.Kill()
	for !pod.rdb.Away() {
		post(h)
	}
	b.Run("redis away", func(b *testing.B) { bench(b, h) })
}
