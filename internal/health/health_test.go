package health_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-dev/spillway/internal/health"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// probe asks a pod for its state, at any second and under any pressure.
type probe struct {
	h *health.Health
	p float64
}

func newProbe(cfg health.Config) *probe {
	pr := &probe{}
	pr.h = health.New(cfg, func() float64 { return pr.p })
	return pr
}

func (pr *probe) at(seconds int, p float64) health.State {
	pr.p = p
	return pr.h.State(epoch.Add(time.Duration(seconds) * time.Second))
}

func TestStatesInOrder(t *testing.T) {
	t.Parallel()
	pr := newProbe(health.Config{})
	steps := []struct {
		do   func()
		want health.State
	}{
		{func() {}, health.Starting},
		{pr.h.SetStarted, health.Ready},
		{pr.h.Drain, health.Draining},
		{pr.h.SetStarted, health.Draining}, // there is no way back
	}
	for i, step := range steps {
		step.do()
		if got := pr.at(i, 0); got != step.want {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
	}
}

func TestSaturationHasToLastAndToEndClearly(t *testing.T) {
	t.Parallel()
	pr := newProbe(health.Config{SaturatedAt: 1, SaturatedAfter: 10 * time.Second, RelaxedAt: 0.7})
	pr.h.SetStarted()
	for _, step := range []struct {
		at       int
		pressure float64
		want     health.State
	}{
		{0, 1, health.Ready},    // full, but only just
		{9, 1, health.Ready},    // not for long enough
		{10, 0.9, health.Ready}, // a pause: the count begins anew
		{12, 1, health.Ready},
		{21, 1, health.Ready},
		{22, 1, health.Saturated}, // ten seconds
		{23, 0.99, health.Saturated},
		{60, 0.7, health.Saturated}, // still not a clear relief
		{61, 0.69, health.Ready},
		{62, 1, health.Ready}, // and once more from the start
		{71, 1, health.Ready},
		{72, 1, health.Saturated},
	} {
		if got := pr.at(step.at, step.pressure); got != step.want {
			t.Errorf("%d s, pressure %v: %s, want %s", step.at, step.pressure, got, step.want)
		}
	}
	pr.h.Drain()
	if got := pr.at(73, 1); got != health.Draining {
		t.Errorf("a saturated pod that is going says %s", got)
	}
}

func TestTheZeroConfigHasDefaults(t *testing.T) {
	t.Parallel()
	pr := newProbe(health.Config{})
	pr.h.SetStarted()
	pr.at(0, 1)
	if got := pr.at(9, 1); got != health.Ready {
		t.Errorf("after 9 s: %s", got)
	}
	if got := pr.at(10, 1); got != health.Saturated {
		t.Errorf("after 10 s: %s", got)
	}
	if got := pr.at(11, 0.5); got != health.Ready {
		t.Errorf("relieved: %s", got)
	}
}

func TestHandlers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pressure := 0.0
		h := health.New(health.Config{}, func() float64 { return pressure })
		expect := func(name string, f http.HandlerFunc, code int, status string) {
			t.Helper()
			w := httptest.NewRecorder()
			f(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
			var body struct{ Status string }
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if w.Code != code || body.Status != status || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%s: %d %+v %v", name, w.Code, body, w.Header())
			}
		}
		expect("starting", h.Readyz, http.StatusServiceUnavailable, "starting")
		expect("starting lives", h.Livez, http.StatusOK, "alive")
		h.SetStarted()
		expect("started", h.Readyz, http.StatusOK, "ready")
		pressure = 1
		expect("full", h.Readyz, http.StatusOK, "ready")
		time.Sleep(10 * time.Second)
		expect("full for long", h.Readyz, http.StatusServiceUnavailable, "saturated")
		expect("saturated lives", h.Livez, http.StatusOK, "alive")
		h.Drain()
		expect("going", h.Readyz, http.StatusServiceUnavailable, "draining")
		expect("going lives", h.Livez, http.StatusOK, "alive")
	})
}

// Restarting a pod that is only busy would make things worse: liveness does not even look.
func TestLivenessTouchesNothing(t *testing.T) {
	t.Parallel()
	h := health.New(health.Config{}, func() float64 { t.Error("liveness asked for the pressure"); return 0 })
	h.Livez(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/livez", http.NoBody))
}

func TestVerboseReadinessListsTheParts(t *testing.T) {
	t.Parallel()
	h := health.New(health.Config{}, func() float64 { return 0 })
	trouble := ""
	h.Tell("redis", func() string { return "" })
	h.Tell("api_keys", func() string { return trouble })
	h.SetStarted()
	for _, tt := range []struct{ path, trouble, want string }{
		{"/readyz", "line 2", `{"status":"ready"}`},
		{"/readyz?verbose", "", `{"status":"ready","parts":{"api_keys":"ok","redis":"ok"}}`},
		{"/readyz?verbose", "line 2", `{"status":"ready","parts":{"api_keys":"line 2","redis":"ok"}}`},
	} {
		trouble = tt.trouble
		w := httptest.NewRecorder()
		h.ReadyzVerbose(w, httptest.NewRequest(http.MethodGet, tt.path, nil))
		if got := strings.TrimSpace(w.Body.String()); got != tt.want || w.Code != http.StatusOK {
			t.Errorf("%s: %d %s, want %s", tt.path, w.Code, got, tt.want)
		}
	}
}
