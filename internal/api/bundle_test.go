package api_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"

	"github.com/spillway-dev/spillway/internal/api"
	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/config"
	"github.com/spillway-dev/spillway/internal/health"
	"github.com/spillway-dev/spillway/internal/jobs"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/memory"
	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/redisx"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode) // quiet; a global of the library's, so set once for all tests
	logging.Disable()         // go-redis would write to standard error what tests provoke
	goleak.VerifyTestMain(m)
}

// fakeCaller stands in for the way to the vendor.
type fakeCaller func(context.Context, *llm.Call) (*llm.Response, error)

func (f fakeCaller) Do(ctx context.Context, call *llm.Call) (*llm.Response, error) {
	return f(ctx, call)
}

// goodBody is a body that is fine.
const goodBody = `{"model":"m","messages":[]}`

const completion = `{"choices":[{"message":{"content":"hello"}}]}`

// answers is a vendor that answers at once.
func answers(context.Context, *llm.Call) (*llm.Response, error) {
	return &llm.Response{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: []byte(completion)}, nil
}

// fails is a vendor call that ends with err.
func fails(err error) fakeCaller {
	return func(context.Context, *llm.Call) (*llm.Response, error) { return nil, err }
}

// bundle is one pod's HTTP handler, real up to the vendor call.
type bundle struct {
	tb      testing.TB
	handler http.Handler
	server  *httptest.Server
	reg     *prometheus.Registry
	health  *health.Health
	tokens  *middleware.TokenLimit
	lines   chan map[string]any // of the log
}

// options says in what a bundle differs from the defaults.
type options struct {
	redis string   // URL; an embedded one when empty
	env   []string // settings
	load  middleware.Load
	down  time.Duration // until the breaker closes
	real  bool          // call the vendor of the settings
	level slog.Level    // of the log
	jobs  bool          // take jobs, and work on them
	quiet bool          // write the log, but do not keep it
}

func newBundle(tb testing.TB, call fakeCaller, o options) *bundle {
	tb.Helper()
	cfg := settings(tb, o)
	b := &bundle{tb: tb, reg: prometheus.NewRegistry(), lines: make(chan map[string]any, 4096)}
	log := telemetry.NewLogger(b, o.level)
	if o.quiet {
		log = telemetry.NewLogger(io.Discard, o.level)
	}
	rdb, err := redisx.New(cfg.Redis, log, b.reg)
	check(tb, err)
	tb.Cleanup(func() { _ = rdb.Close() })
	keys, err := middleware.NewKeys(cfg.Inbound.APIKeysFile, cfg.Inbound.TierRates, log, b.reg)
	check(tb, err)
	tb.Cleanup(func() { _ = keys.Close() })
	b.health = health.New(health.Config{}, func() float64 { return 0 })
	b.health.SetStarted()
	room, err := memory.New(cfg.Memory, 0, cfg.LLM.QueueTimeout, log, b.reg)
	check(tb, err)
	tokens, err := middleware.NewTokenLimit(cfg.Inbound, rdb, log, b.reg)
	check(tb, err)
	tb.Cleanup(func() { _ = tokens.Close() })
	b.tokens = tokens
	d := api.Deps{
		Caller: call, Redis: rdb, Tokens: tokens, Keys: keys, Health: b.health, Memory: room, Log: log, Reg: b.reg,
		VendorDown: func() time.Duration { return o.down },
		Load:       func() middleware.Load { return o.load },
	}
	var lane func(string) string
	if o.real {
		caller, err := chain.New(cfg.LLM, rdb, log, b.reg)
		check(tb, err)
		tb.Cleanup(func() { _ = caller.Close() })
		d.Caller, d.VendorDown, lane = caller, caller.Down, caller.LaneOf
		d.Models = caller.Models
		d.Speaks, d.PassedHeaders = caller.Speaks, caller.Passed()
	}
	if o.jobs {
		d.Jobs, err = jobs.New(cfg.Jobs, jobs.Deps{
			Caller: d.Caller, Lane: lane, Redis: rdb, Problem: api.ProblemDocument, Expired: middleware.ErrDeadline,
			Used: tokens.Charge, Log: log, Reg: b.reg,
		})
		check(tb, err)
		check(tb, d.Jobs.Start())
		tb.Cleanup(func() { d.Jobs.Stop(); check(tb, d.Jobs.Close()) })
	}
	b.handler, err = api.New(cfg.API, cfg.Inbound, d)
	check(tb, err)
	if t, ok := tb.(*testing.T); ok {
		b.handler = described(t, b.handler)
	}
	b.server = httptest.NewUnstartedServer(b.handler)
	b.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	b.server.Config.ReadTimeout = time.Second
	b.server.Start()
	tb.Cleanup(b.server.Close)
	tb.Cleanup(b.server.Client().CloseIdleConnections)
	return b
}

// settings are the defaults, and what cannot do without a value.
func settings(tb testing.TB, o options) config.Config {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "keys")
	var text strings.Builder
	for _, tier := range []string{"free", "pro", "enterprise"} {
		fmt.Fprintf(&text, "%x %s %s\n", sha256.Sum256([]byte("key-"+tier)), tier, tier)
	}
	check(tb, os.WriteFile(path, []byte(text.String()), 0o600))
	if o.redis == "" {
		o.redis = "redis://" + miniredis.RunT(tb).Addr()
	}
	cfg, err := config.Load(append([]string{
		"LLM_VENDOR_URL=http://127.0.0.1:1/", "LLM_REDIS_URL=" + o.redis, "LLM_REDIS_BUDGET=1s",
		"LLM_API_KEYS_FILE=" + path,
		"LLM_TIER_RATES=free:10,pro:100,enterprise:1000000",
	}, o.env...))
	check(tb, err)
	return cfg
}

// Write takes a line of the log.
func (b *bundle) Write(p []byte) (int, error) {
	line := map[string]any{}
	if err := json.Unmarshal(p, &line); err != nil {
		return 0, err
	}
	select {
	case b.lines <- line:
	default: // a test that does not read them
	}
	return len(p), nil
}

// settled waits until what was booked of users' tokens is corrected. A request ends a moment after its answer.
func (b *bundle) settled() {
	b.tb.Helper()
	b.accessLine()
	check(b.tb, b.tokens.Close())
}

// accessLine is the next line of the access log.
func (b *bundle) accessLine() map[string]any {
	b.tb.Helper()
	for {
		if line := await.Value(b.tb, "a line of the access log", b.lines); line["msg"] == "request" {
			return line
		}
	}
}

// answer is a response that has been read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// code is the stable code of an answer in either shape.
func (a answer) code() string {
	var shapes struct {
		Code  string
		Error struct{ Code string }
	}
	_ = json.Unmarshal([]byte(a.body), &shapes)
	return cmp.Or(shapes.Code, shapes.Error.Code)
}

// post sends goodBody to path, with headers given as name, value, name, value.
func (b *bundle) post(path string, headers ...string) answer {
	b.tb.Helper()
	return b.send(http.MethodPost, path, goodBody, headers...)
}

func (b *bundle) send(method, path, body string, headers ...string) answer {
	b.tb.Helper()
	res, err := b.server.Client().Do(b.request(method, path, body, headers...))
	check(b.tb, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	check(b.tb, err)
	return answer{res.StatusCode, res.Header, string(text)}
}

// request is one with a key and a content type. A header with the value "" is left out.
func (b *bundle) request(method, path, body string, headers ...string) *http.Request {
	r, err := http.NewRequestWithContext(b.tb.Context(), method, b.server.URL+path, strings.NewReader(body))
	check(b.tb, err)
	r.Header.Set("Authorization", "Bearer key-enterprise")
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
		}
	}
	return r
}

// raw sends bytes as they are and returns all that comes back until the server closes.
func (b *bundle) raw(text string) string {
	b.tb.Helper()
	conn := b.dial()
	defer conn.Close()
	_, _ = io.WriteString(conn, text) // the server may have had enough before the end
	all, _ := io.ReadAll(conn)        // a reset is an answer too
	return string(all)
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// status is the status line's code in raw, "" when there is none.
func status(raw string) string {
	fields := strings.Fields(firstLine(raw))
	if len(fields) < 2 {
		return ""
	}
	return fields[1]
}

func firstLine(s string) string {
	scan := bufio.NewScanner(bytes.NewReader([]byte(s)))
	scan.Scan()
	return scan.Text()
}

func (b *bundle) dial() net.Conn {
	b.tb.Helper()
	conn, err := new(net.Dialer).DialContext(b.tb.Context(), "tcp", b.server.Listener.Addr().String())
	check(b.tb, err)
	check(b.tb, conn.SetDeadline(time.Now().Add(await.Limit)))
	return conn
}
