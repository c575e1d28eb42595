package chain_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/breaker"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
	"github.com/spillway-dev/spillway/internal/llm/quota"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

func TestMain(m *testing.M) {
	logging.Disable() // go-redis would write to standard error what tests provoke
	goleak.VerifyTestMain(m)
}

// lanes is a pod with the lane default and its fallback, at vendors without a network.
type lanes struct {
	*chain.Chain
	tb    testing.TB
	rdb   *redisx.Client
	reg   *prometheus.Registry
	lines *lines
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// newLanes returns a pod whose lanes "default" and "second" call first and second. change may change the configuration.
func newLanes(tb testing.TB, first, second llmtest.RoundTrip, change func(*chain.Config)) lanes {
	tb.Helper()
	cfg := llmtest.Config()
	cfg.Retry = llm.RetryConfig{Max: 1, Base: time.Millisecond, MaxDelay: time.Millisecond, Budget: 1}
	cfg.Breaker = breaker.Config{Failures: 1000, Window: time.Minute, Open: time.Minute, OpenMax: time.Minute,
		Successes: 1, Lease: time.Minute}
	cfg.Quota = quota.Config{Requests: 100_000, Window: time.Minute, Shares: 1}
	cfg.Lanes = []string{"second"}
	cfg.Further = []chain.FurtherLane{cfg.Inherit("second", "")}
	cfg.Further[0].Quota.Requests = 100_000
	cfg.Fallback = "second"
	cfg.Vendor.Wrap = func(http.RoundTripper) http.RoundTripper { return first }
	cfg.Further[0].Vendor.Wrap = func(http.RoundTripper) http.RoundTripper { return second }
	if change != nil {
		change(&cfg)
	}
	l := lanes{tb: tb, reg: prometheus.NewRegistry(), lines: new(lines)}
	log := slog.New(slog.NewTextHandler(l.lines, nil))
	var err error
	l.rdb, err = redisx.New(redisx.Config{URL: redistest.Start(tb).URL(), Budget: time.Second, Pool: 8}, log, l.reg)
	llmtest.OK(tb, err)
	tb.Cleanup(func() { _ = l.rdb.Close() })
	l.Chain, err = chain.New(cfg, l.rdb, log, l.reg)
	llmtest.OK(tb, err)
	tb.Cleanup(func() { llmtest.OK(tb, l.Close()) })
	return l
}

// ask makes a call and returns the lane that answered it.
func (l lanes) ask(ctx context.Context) (string, error) {
	call := llmtest.NewCall()
	resp, err := l.Do(ctx, call)
	resp.Close()
	return call.Lane, err
}

// answers is a vendor that answers with a status.
func answers(status int) llmtest.RoundTrip {
	return llmtest.Always(status, http.Header{"Content-Type": {"application/json"}}, `{}`)
}

// labelled are the values of a label over the series of a metric.
func (l lanes) labelled(metric, label string) (values []string) {
	l.tb.Helper()
	families, err := l.reg.Gather()
	llmtest.OK(l.tb, err)
	for _, family := range families {
		if family.GetName() != metric {
			continue
		}
		for _, m := range family.GetMetric() {
			for _, pair := range m.GetLabel() {
				if pair.GetName() == label && !slices.Contains(values, pair.GetValue()) {
					values = append(values, pair.GetValue())
				}
			}
		}
	}
	slices.Sort(values)
	return values
}
