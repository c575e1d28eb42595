package upstream_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
	"github.com/spillway-dev/spillway/internal/llm/upstream"
)

// vendorAt is a Vendor that calls a real server.
func vendorAt(t testing.TB, url string, change func(*chain.Config)) *upstream.Vendor {
	t.Helper()
	cfg := llmtest.Config()
	cfg.Vendor.URL = url
	if change != nil {
		change(&cfg)
	}
	times := upstream.Times{Call: cfg.CallTimeout, StreamIdle: cfg.StreamIdle, StreamMax: cfg.StreamMax}
	v, err := upstream.New(cfg.Vendor, times, cfg.Slots, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	llmtest.OK(t, err)
	t.Cleanup(v.Close)
	return v
}

func serve(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestVendorSendsTheBytesThatCameIn(t *testing.T) {
	t.Parallel()
	body := `{ "model":"m",  "messages":[], "unknown": [1,2, 3] }`
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got, _ := io.ReadAll(r.Body)
		if string(got) != body || r.ContentLength != int64(len(body)) {
			t.Errorf("the vendor got %q", got)
		}
		for name, want := range map[string]string{
			"Authorization": "Bearer sk-test", "Content-Type": "application/json", "X-Request-Id": "req-1",
			"Idempotency-Key": "once", "Anthropic-Version": "2023-06-01", "Traceparent": "00-x",
		} {
			if r.Header.Get(name) != want {
				t.Errorf("%s: got %q, want %q", name, r.Header.Get(name), want)
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Request-Id", "vendor-7")
		w.Header().Set("Set-Cookie", "secret=1")
		_, _ = io.WriteString(w, `{"usage":{"prompt_tokens":3,"completion_tokens":4}}`)
	})
	v := vendorAt(t, url,
		func(c *chain.Config) { c.Vendor.Headers = map[string]string{"anthropic-version": "2023-06-01"} })
	call := llmtest.NewCall()
	call.Body, call.IdempotencyKey, call.Header = []byte(body), "once", http.Header{"Traceparent": {"00-x"}}
	resp, out := v.Send(t.Context(), call)
	llmtest.OK(t, out.Err)
	defer resp.Close()
	if resp.Header.Get("X-Vendor-Request-Id") != "vendor-7" || resp.Header.Get("Set-Cookie") != "" {
		t.Errorf("headers for the client: %v", resp.Header)
	}
	if !out.Called || out.Usage != (llm.Usage{Prompt: 3, Completion: 4}) || out.Duration <= 0 {
		t.Errorf("outcome %+v", out)
	}
}

func TestVendorErrors(t *testing.T) {
	t.Parallel()
	refused := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		llmtest.OK(t, err)
		defer l.Close()
		return "http://" + l.Addr().String()
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	for name, tt := range map[string]struct {
		handler http.HandlerFunc // nil: no server listens
		kind    llm.Kind
		failure bool
	}{
		"refused": {nil, llm.KindConnection, true},
		"reset":   {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, llm.KindConnection, true},
		"500":     {status(500), llm.KindStatus, true},
		"529":     {status(529), llm.KindStatus, true},
		"408":     {status(408), llm.KindStatus, false},
		"429":     {status(429), llm.KindRateLimit, false},
		"401":     {status(401), llm.KindAuth, false},
		"402":     {status(402), llm.KindQuota, false},
		"407":     {status(407), llm.KindConnection, true},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
		}, llm.KindStatus, false},
		"cut body": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "half")
		}, llm.KindConnection, true},
		"too large": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 2<<20)) },
			llm.KindTooLarge, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := ""
			if tt.handler == nil {
				url = refused()
			} else {
				url = serve(t, tt.handler)
			}
			resp, out := vendorAt(t, url, nil).Send(t.Context(), llmtest.NewCall())
			failed, isVendor := errors.AsType[*llm.VendorError](out.Err)
			if resp != nil || !isVendor || failed.Kind != tt.kind || failed.Failure() != tt.failure {
				t.Errorf("got %v (failure %v), want kind %s, failure %v", out.Err, isVendor && failed.Failure(),
					tt.kind, tt.failure)
			}
		})
	}
}

// Statuses that no answer has must not reach net/http's response writer, which would panic or switch protocols.
func TestVendorStatusesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"099 Odd", "101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: odd",
		"600 Odd"} {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			_, _ = io.WriteString(conn, "HTTP/1.1 "+line+"\r\nContent-Length: 2\r\n\r\n{}")
		})
		_, out := vendorAt(t, url, nil).Send(t.Context(), llmtest.NewCall())
		if failed, isVendor := errors.AsType[*llm.VendorError](out.Err); !isVendor || failed.Kind != llm.KindStatus ||
			failed.Status == 0 {
			t.Errorf("%s: got %v", line, out.Err)
		}
	}
}

// An answer has no type when the vendor has named none, so that a browser does not run it. It has no gzip, which the
// request did not ask for. It keeps any other coding, which cannot be read here.
func TestVendorAnswersKeepTheirTypeAndCoding(t *testing.T) {
	t.Parallel()
	var zipped bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(zip, `{"a":1}`)
	llmtest.OK(t, zip.Close())
	for name, tt := range map[string]struct {
		kind, coding, body string
		wantCoding, want   string
	}{
		"no type":              {"", "", "<html>", "", "<html>"},
		"gzip":                 {"application/json", "gzip", zipped.String(), "", `{"a":1}`},
		"not the gzip it says": {"application/json", "gzip", `{"a":2}`, "", `{"a":2}`},
		"identity":             {"application/json", "identity", `{"a":3}`, "", `{"a":3}`},
		"brotli":               {"application/json", "br", "\x0b\x03", "br", "\x0b\x03"},
	} {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if asked := r.Header.Get("Accept-Encoding"); asked != "identity" {
				t.Errorf("%s: asked for %q", name, asked)
			}
			w.Header()["Content-Type"] = nil
			for header, value := range map[string]string{"Content-Type": tt.kind, "Content-Encoding": tt.coding} {
				if value != "" {
					w.Header().Set(header, value)
				}
			}
			_, _ = io.WriteString(w, tt.body)
		})
		resp, out := vendorAt(t, url, nil).Send(t.Context(), llmtest.NewCall())
		llmtest.OK(t, out.Err)
		if kind, named := resp.Header["Content-Type"]; !named || (kind == nil) != (tt.kind == "") {
			t.Errorf("%s: headers %v: net/http would guess a type", name, resp.Header)
		}
		if string(resp.Body) != tt.want || resp.Header.Get("Content-Encoding") != tt.wantCoding {
			t.Errorf("%s: got %q in %q", name, resp.Body, resp.Header.Get("Content-Encoding"))
		}
		resp.Close()
	}
}

// The client gets the vendor's own 4xx, status and body. It is no failure.
func TestVendorClientErrorsPassThrough(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":{"code":"content_filter"}}`)
	})
	resp, out := vendorAt(t, url, nil).Send(t.Context(), llmtest.NewCall())
	llmtest.OK(t, out.Err)
	defer resp.Close()
	if resp.Status != http.StatusBadRequest || !strings.Contains(string(resp.Body), "content_filter") {
		t.Errorf("got %d %s", resp.Status, resp.Body)
	}
}

// net/http sends a request with an Idempotency-Key again by itself when a kept connection is dead. It must not, because
// every exchange has to pass the gates.
func TestVendorHasNoHiddenRetry(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	llmtest.OK(t, err)
	defer l.Close()
	var requests atomic.Int32
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // answers the first request of a connection and drops the second without a word
				defer conn.Close()
				in := bufio.NewReader(conn)
				for i := range 2 {
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, r.Body)
					requests.Add(1)
					if i == 0 {
						_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
					}
				}
			}()
		}
	}()
	v := vendorAt(t, "http://"+l.Addr().String(), nil)
	call := llmtest.NewCall()
	call.IdempotencyKey = "once"
	resp, out := v.Send(t.Context(), call)
	llmtest.OK(t, out.Err)
	resp.Close()
	if _, out = v.Send(t.Context(), call); out.Err == nil {
		t.Error("the dropped request was answered: it must have been sent again")
	}
	if n := requests.Load(); n != 2 {
		t.Errorf("the vendor saw %d requests for 2 sends", n)
	}
}

func TestVendorConfig(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*upstream.Config){
		"no url": func(c *upstream.Config) { c.URL = "" }, "no host": func(c *upstream.Config) { c.URL = "http://" },
		"other scheme":   func(c *upstream.Config) { c.URL = "ftp://x/" },
		"brace":          func(c *upstream.Config) { c.Name = "a}b" },
		"newline in key": func(c *upstream.Config) { c.APIKey = "sk\n" },
		"negative pool":  func(c *upstream.Config) { c.Pool = -1 },
	} {
		cfg := llmtest.Config().Vendor
		change(&cfg)
		if cfg.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	cfg := llmtest.Config()
	cfg.Vendor.Pool = 1
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "VENDOR_POOL") {
		t.Errorf("a pool below the slots: %v", err)
	}
}
