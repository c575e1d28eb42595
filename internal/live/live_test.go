package live_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/spillway-dev/spillway/internal/live"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"), // connections that are kept for the next request
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
	)
}

func TestRedisFreezesAndGoesOn(t *testing.T) {
	t.Parallel()
	l, states := newLive(), []bool{}
	defer l.Close()
	l.Play(live.Playground{Freeze: func(frozen bool) { states = append(states, frozen) }})
	defer func() {
		l.Close()
		if len(states) == 0 || states[len(states)-1] {
			t.Error("a pod that ends leaves Redis frozen")
		}
	}()
	for _, body := range []string{`{"frozen":true}`, `{"frozen":false}`} {
		if got := send(l, "POST", "/debug/live/redis", body).Code; got != http.StatusNoContent {
			t.Errorf("%s: got %d", body, got)
		}
	}
	if !slices.Equal(states, []bool{true, false}) {
		t.Errorf("Redis was frozen: %v", states)
	}
	send(l, "POST", "/debug/live/redis", `{"frozen":true}`)
}

func newLive() *live.Live {
	return live.New(live.Config{Pod: "pod-1", Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)})
}

// send asks l, which stands over a handler that says 418.
func send(l *live.Live, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "localhost:8080"
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	}
	w := httptest.NewRecorder()
	l.Over(http.HandlerFunc(func(w http.ResponseWriter,
		_ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
	})).ServeHTTP(w, r)
	return w
}

func read(t *testing.T, l *live.Live) live.Document {
	t.Helper()
	var d live.Document
	if err := json.Unmarshal(send(l, "GET", "/debug/live", "").Body.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestOtherPathsAreLeftToTheServer(t *testing.T) {
	t.Parallel()
	l := newLive()
	for _, r := range [][2]string{{"POST", "/llm"}, {"GET", "/metrics"}, {"POST", "/"}, {"GET", "/debug/pprof/"}} {
		if got := send(l, r[0], r[1], "").Code; got != http.StatusTeapot {
			t.Errorf("%s %s: got %d, want the server's own answer", r[0], r[1], got)
		}
	}
}

func TestThePageRunsItsOwnScriptOnly(t *testing.T) {
	t.Parallel()
	page := send(newLive(), "GET", "/", "")
	policy, html := page.Header().Get("Content-Security-Policy"), page.Body.String()
	for _, want := range []string{"default-src 'none'", "script-src 'sha256-", "style-src 'sha256-",
		"connect-src 'self'", "img-src data:", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'",
		"require-trusted-types-for 'script'", "trusted-types 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy has no %q: %s", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is open: %s", policy)
	}
	for _, unwanted := range []string{" style=", "onclick", "src=", "@import", "url(", "innerHTML", "eval("} {
		if strings.Contains(html, unwanted) {
			t.Errorf("the page has %q", unwanted)
		}
	}
	if !strings.Contains(html, "https://github.com/leeoniya/uPlot") {
		t.Error("the chart library does not say where it comes from")
	}
	if strings.Count(html, "<script") != 1 || strings.Count(html, "<style") != 1 {
		t.Error("the policy knows one script and one style")
	}
}

func TestTheLastFiftyRefusals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLive()
		l.Start()
		defer l.Close()
		for n := range 60 {
			l.Refused(live.Refusal{RequestID: strconv.Itoa(n), Layer: "shed", Reason: "shed", Status: 429,
				At: time.Now()})
		}
		l.Refused(live.Refusal{RequestID: "lost", Layer: "router", Reason: "not_found", Status: 404})
		l.Refused(live.Refusal{RequestID: "failed", Reason: "vendor_error", Status: 502})
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		d := read(t, l)
		if len(d.Refused) != 50 || d.Refused[0].RequestID != "failed" || d.Refused[0].Layer != "vendor" ||
			d.Refused[49].RequestID != "11" {
			t.Errorf("got %d refusals: %+v", len(d.Refused), d.Refused)
		}
		if len(d.History) != 2 {
			t.Errorf("got %d points of history, want 2", len(d.History))
		}
		for _, layer := range d.Layers {
			if layer.Name == "shed" && (layer.Refused.Total != 60 || layer.Refused.PerSecond != 60) {
				t.Errorf("shedding refused %+v, want 60 in one second", layer.Refused)
			}
		}
	})
}

func TestFiveMinutesAreKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLive()
		l.Start()
		defer l.Close()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if d := read(t, l); len(d.History) != 300 || d.History[299].At != d.At ||
			d.At.Sub(d.History[0].At) != 299*time.Second {
			t.Errorf("got %d points from %v to %v", len(d.History), d.History[0].At, d.At)
		}
	})
}

func TestWatchersAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLive()
		l.Start()
		ended := make(chan *httptest.ResponseRecorder, 16)
		for range 16 {
			go func() { ended <- send(l, "GET", "/debug/live/events", "") }()
		}
		synctest.Wait()
		if got := send(l, "GET", "/debug/live/events", ""); got.Code != http.StatusServiceUnavailable ||
			got.Header().Get("Retry-After") == "" {
			t.Errorf("watcher 17 got %d", got.Code)
		}
		time.Sleep(2500 * time.Millisecond)
		l.Close() // ends the streams
		for range 16 {
			if got := strings.Count((<-ended).Body.String(), "data: {"); got != 3 {
				t.Errorf("a watcher got %d events in 2.5 seconds, want 3", got)
			}
		}
		if len(l.Watching()) != 0 {
			t.Error("places of watchers are not free again")
		}
	})
}

func TestButtonsAreRefusedWithoutThePlayground(t *testing.T) {
	t.Parallel()
	l := newLive()
	for path, body := range map[string]string{"fault": `{"fault":"down"}`, "load": `{"rate":5}`,
		"redis": `{"frozen":true}`, "story": `{"run":true}`} {
		if got := send(l, "POST", "/debug/live/"+path, body).Code; got != http.StatusForbidden {
			t.Errorf("%s: got %d, want 403", path, got)
		}
	}
	if d := read(t, l); d.Play != nil || d.Lessons != nil {
		t.Error("the snapshot offers the playground")
	}
}

func TestFaultsReachTheSimulator(t *testing.T) {
	t.Parallel()
	sim, err := vendorsim.Start(t.Context(), "", vendorsim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	l := newLive()
	defer l.Close()
	l.Play(live.Playground{Vendors: []string{root(sim)}, Keys: []string{"k"}})
	before := sim.Config()
	for _, fault := range read(t, l).Play.Faults {
		name := fault.Name
		got := send(l, "POST", "/debug/live/fault", fmt.Sprintf(`{"fault":%q}`, name))
		if got.Code != http.StatusNoContent || len(sim.Faults()) != 1 {
			t.Errorf("%s: got %d %s, and the faults are %+v", name, got.Code, got.Body, sim.Faults())
		}
	}
	if got := send(l, "POST", "/debug/live/fault", `{"fault":""}`); got.Code != http.StatusNoContent ||
		len(sim.Faults()) != 0 {
		t.Errorf("well: got %d, and the faults are %+v", got.Code, sim.Faults())
	}
	if after := sim.Config(); !reflect.DeepEqual(after, before) {
		t.Errorf("well: the vendor was %+v and is %+v", before, after)
	}
	for name, refused := range map[string]struct {
		path, body, header, value string
		want                      int
	}{
		"unknown fault":      {"fault", `{"fault":"rude"}`, "", "", 400},
		"too much load":      {"load", `{"rate":201}`, "", "", 400},
		"negative load":      {"load", `{"rate":-1}`, "", "", 400},
		"no JSON":            {"load", `rate=1`, "", "", 400},
		"no such story":      {"story", `{"tale":"hare"}`, "", "", 400},
		"another site":       {"fault", `{"fault":"down"}`, "Sec-Fetch-Site", "cross-site", 403},
		"a name of a site's": {"fault", `{"fault":"down"}`, "Host", "evil.example", 403},
	} {
		if got := send(l, "POST", "/debug/live/"+refused.path, refused.body, refused.header,
			refused.value).Code; got != refused.want {
			t.Errorf("%s: got %d, want %d", name, got, refused.want)
		}
	}
	if len(sim.Faults()) != 0 {
		t.Errorf("what was refused had an effect: %+v", sim.Faults())
	}
}

// root is where a simulator is steered.
func root(sim *vendorsim.Server) string { return strings.TrimSuffix(sim.URL, "/v1/chat/completions") }

// TestNothingReachesARealVendor: while any lane has one, there are no faults, no load and no story, because load could
// come to it.
func TestNothingReachesARealVendor(t *testing.T) {
	t.Parallel()
	sim, err := vendorsim.Start(t.Context(), "", vendorsim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	for says, vendor := range map[string]http.HandlerFunc{
		"404 Not Found":             http.NotFound,
		"does not list its faults":  func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"ok":true}`) },
		"list its faults, as a sim": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `null`) },
	} {
		another := httptest.NewServer(vendor)
		t.Cleanup(another.Close)
		l := newLive()
		l.Play(live.Playground{Vendors: []string{root(sim), another.URL}, Keys: []string{"k"},
			Service: func() string { t.Error("load was sent"); return another.URL }})
		for path, body := range map[string]string{"fault": `{"fault":"down"}`, "load": `{"rate":5}`, "story": `{"run":true}`} {
			got := send(l, "POST", "/debug/live/"+path, body)
			if got.Code != http.StatusBadGateway || !strings.Contains(got.Body.String(), says) {
				t.Errorf("%s: %d %s", path, got.Code, got.Body)
			}
		}
		l.Close()
		if len(sim.Faults()) > 0 {
			t.Errorf("the simulator fails: %+v", sim.Faults())
		}
	}
}

// TestOnlyThisMachineMayPress where the playground says so, as in the chart: kubectl port-forward comes through the
// loopback interface, and the other pods of a cluster do not.
func TestOnlyThisMachineMayPress(t *testing.T) {
	t.Parallel()
	l := newLive()
	defer l.Close()
	l.Play(live.Playground{LocalOnly: true})
	for from, want := range map[string]int{
		"127.0.0.1:5000": http.StatusNoContent, "[::1]:5000": http.StatusNoContent,
		"10.1.2.3:5000": http.StatusForbidden, "": http.StatusForbidden,
	} {
		r := httptest.NewRequest(http.MethodPost, "/debug/live/redis", strings.NewReader(`{"frozen":false}`))
		r.Host, r.RemoteAddr = "localhost:9090", from
		w := httptest.NewRecorder()
		l.Over(http.NotFoundHandler()).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("from %q: %d %s", from, w.Code, w.Body)
		}
	}
}

func TestLoadUsesTheKeysInTurnAndStops(t *testing.T) {
	t.Parallel()
	keys := make(chan string, 100)
	service := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case keys <- r.Header.Get("Authorization"):
		default:
		}
	}))
	t.Cleanup(service.Close)
	l := newLive()
	l.Play(live.Playground{Service: func() string { return service.URL }, Keys: []string{"a", "b", "c"}})
	if got := send(l, "POST", "/debug/live/load", `{"rate":100}`).Code; got != http.StatusNoContent {
		t.Fatalf("got %d", got)
	}
	seen := map[string]int{}
	for range 30 {
		seen[<-keys]++
	}
	for _, key := range []string{"Bearer a", "Bearer b", "Bearer c"} {
		if seen[key] == 0 {
			t.Errorf("no load with %q: %v", key, seen)
		}
	}
	l.Close() // returns when no request is under way
}

func TestEachStepHasALessonAndAFile(t *testing.T) {
	t.Parallel()
	l := newLive()
	l.Play(live.Playground{Keys: []string{"k"}})
	taught := map[string]bool{}
	for _, lesson := range read(t, l).Lessons {
		taught[lesson.Layer] = true
		if _, err := os.Stat(filepath.Join("../..", lesson.File)); err != nil {
			t.Errorf("%s: %v", lesson.Layer, err)
		}
	}
	// Those that turn nothing away themselves: their time limits are told of by where a request was.
	silent := []string{"watching", "queue_timeout", "call_timeout", "here"}
	for _, step := range live.Way() {
		if !taught[step.Name] && !slices.Contains(silent, step.Name) {
			t.Errorf("no lesson says what %s does", step.Title)
		}
	}
}
