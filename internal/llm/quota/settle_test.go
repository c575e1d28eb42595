package quota

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
)

func TestKeepsWhatTheVendorWillCount(t *testing.T) {
	t.Parallel()
	status := func(kind llm.Kind, code int) error { return &llm.VendorError{Kind: kind, Status: code} }
	for name, test := range map[string]struct {
		out   llm.Result
		want  int64 // of 100 prompt and 900 completion tokens estimated
		known bool
	}{
		"not called":      {llm.Result{}, 0, true},
		"the vendor said": {llm.Result{Called: true, Usage: llm.Usage{Prompt: 90, Completion: 10}}, 100, true},
		"the vendor said more": {
			llm.Result{Called: true, Usage: llm.Usage{Prompt: 300, Completion: 900}}, 1200, true},
		"the vendor said nothing": {llm.Result{Called: true}, 1000, false},
		"a stream was cut": {llm.Result{Called: true, Usage: llm.Usage{Completion: 7},
			Err: &llm.VendorError{Kind: llm.KindConnection, Streamed: true}}, 1000, false},
		"client left": {llm.Result{Called: true, ClientGone: true, Err: context.Canceled}, 1000, false},
		"client left a stream": {llm.Result{Called: true, ClientGone: true, Err: context.Canceled,
			Usage: llm.Usage{Completion: 7}}, 123, true},
		"client left at the end": {llm.Result{Called: true, ClientGone: true, Err: context.Canceled,
			Usage: llm.Usage{Completion: 895}}, 1000, true},
		"client left, and it was longer": {llm.Result{Called: true, ClientGone: true, Err: context.Canceled,
			Usage: llm.Usage{Completion: 950}}, 1050, true},
		"vendor refused the request": {llm.Result{Called: true, Refused: true}, 100, true},
		"vendor was busy": {llm.Result{Called: true,
			Err: status(llm.KindRateLimit, http.StatusTooManyRequests)}, 100, true},
		"vendor refused the key": {llm.Result{Called: true,
			Err: status(llm.KindAuth, http.StatusUnauthorized)}, 0, true},
		"vendor failed": {llm.Result{Called: true,
			Err: status(llm.KindStatus, http.StatusBadGateway)}, 100, true},
		"the vendor had no time": {llm.Result{Called: true,
			Err: status(llm.KindStatus, http.StatusRequestTimeout)}, 1000, false},
		"a gateway was out of patience": {llm.Result{Called: true,
			Err: status(llm.KindStatus, http.StatusGatewayTimeout)}, 1000, false},
		"Cloudflare was": {llm.Result{Called: true, Err: status(llm.KindStatus, 524)}, 1000, false},
		"vendor was too slow": {llm.Result{Called: true,
			Err: &llm.VendorError{Kind: llm.KindTimeout, Err: llm.ErrCallTimeout}}, 1000, false},
		"connection broke": {llm.Result{Called: true, Err: &llm.VendorError{Kind: llm.KindConnection}},
			1000, false},
		"SLA": {llm.Result{Called: true, Err: context.DeadlineExceeded}, 1000, false},
	} {
		if got, known := test.out.Spent(100, 1000); got != test.want || known != test.known {
			t.Errorf("%s: %d tokens stay, known %v; want %d, %v", name, got, known, test.want, test.known)
		}
	}
}

func TestTakesTheVendorAtItsWord(t *testing.T) {
	t.Parallel()
	const queue = 5 * time.Second
	failed := func(code int, after time.Duration) error { return &llm.VendorError{Status: code, RetryAfter: after} }
	none := llm.Limits{HasTokens: true, ResetTokens: 30 * time.Second}
	some := llm.Limits{HasTokens: true, RemainingTokens: 1, ResetTokens: 30 * time.Second}
	for name, test := range map[string]struct {
		out  llm.Result
		want time.Duration
	}{
		"429 with Retry-After": {llm.Result{Err: failed(429, 2*time.Second), Limits: none},
			2 * time.Second},
		"429 without, nothing remains": {llm.Result{Err: failed(429, 0), Limits: none}, 30 * time.Second},
		"429 without a time":           {llm.Result{Err: failed(429, 0)}, 0},
		"503 with Retry-After":         {llm.Result{Err: failed(503, 2*time.Second)}, 2 * time.Second},
		"503 without":                  {llm.Result{Err: failed(503, 0), Limits: none}, 0},
		"500 with Retry-After":         {llm.Result{Err: failed(500, 2*time.Second)}, 0},
		"success, nothing remains":     {llm.Result{Limits: none}, queue},
		"success, something remains":   {llm.Result{Limits: some}, 0},
		"success, nothing for half a second": {llm.Result{Limits: llm.Limits{HasRequests: true,
			ResetRequests: 500 * time.Millisecond}}, 500 * time.Millisecond},
		"client left": {llm.Result{Err: context.Canceled, Limits: none}, 0},
		"429 without credit": {llm.Result{Err: &llm.VendorError{Kind: llm.KindQuota, Status: 429,
			RetryAfter: time.Minute}, Limits: none}, 0},
		"429 that refuses the key": {llm.Result{Err: &llm.VendorError{Kind: llm.KindAuth, Status: 429},
			Limits: none}, 0},
	} {
		if got := requestedPause(&test.out, queue); got != test.want {
			t.Errorf("%s: a pause of %v, want %v", name, got, test.want)
		}
	}
}

// Answers and announcements of Redis arrive in any order, through different connections.
func TestHearsPausesInAnyOrder(t *testing.T) {
	t.Parallel()
	var h pauses
	h.init()
	now := time.Now()
	booked := now.Add(time.Second)
	first := pause{generation: 2, total: 2_000_000, remaining: 2_000_000}
	h.observe(pause{generation: 2, total: 3_000_000, remaining: 3_000_000}, now)
	h.observe(first, now) // late
	for name, test := range map[string]struct {
		p    pause // as the call knew it when it was booked
		want time.Duration
	}{
		"booked before both":                  {pause{generation: 2}, 4 * time.Second},
		"booked between":                      {first, 3 * time.Second}, // moved by one, and never into the pause
		"booked when Redis was another":       {pause{generation: 1, total: 77_000_000}, 4 * time.Second},
		"booked before Redis ever answered":   {pause{}, 3 * time.Second}, // not before the pause is over
		"booked after both, beyond the pause": {pause{generation: 2, total: 3_000_000}, 3 * time.Second},
	} {
		if got := h.current.Load().start(booked, test.p).Sub(now); got != test.want {
			t.Errorf("%s: starts after %v, want %v", name, got, test.want)
		}
	}
	if h.begin(time.Second, now) {
		t.Error("a shorter pause counts as a new one")
	}
	changed := h.current.Load().changed
	if !h.begin(4*time.Second, now) {
		t.Error("a longer pause does not count")
	}
	select {
	case <-changed:
	default:
		t.Error("sleeping calls were not told")
	}
}

// After a failover Redis may have lost the latest pauses. A pod must then take over the older state, or it would delay
// every start that Redis books from then on. An older answer that was only under way does not change the state.
func TestFollowsARedisThatWentBack(t *testing.T) {
	t.Parallel()
	now := time.Now()
	before, paused := pause{generation: 5, total: 2_000_000},
		pause{generation: 5, total: 8_000_000, remaining: 6_000_000}
	newPod := func() *podState {
		p := newPodState(newContract(Config{Requests: 600, Window: time.Minute, Burst: 1, Shares: 10}, testQueue), 10,
			false, time.Now)
		p.pauses.observe(before, now)
		p.pauses.observe(paused, now)
		return p
	}
	start := func(p *podState, b booking) time.Duration {
		later := now.Add(time.Minute)
		return p.pauses.current.Load().start(later, b.pause).Sub(later)
	}

	p := newPod()
	if moved := start(p, p.accept(&ruling{pause: before}, 1, before, now)); moved != 6*time.Second {
		t.Errorf("a booking that was under way when the pause came is moved by %v", moved)
	}
	for name, back := range map[string]pause{"a pause is lost": before, "all is lost": {generation: 4}} {
		p := newPod()
		b := p.accept(&ruling{pause: back}, 1, paused, now)
		if moved := start(p, b); moved != 0 {
			t.Errorf("%s: a start that Redis booked since is moved by %v", name, moved)
		}
		if left := p.pauses.current.Load().until.Sub(now); left != 6*time.Second {
			t.Errorf("%s: %v of the pause are left", name, left)
		}
		p.settle(&b, false, 0, false, now)
		if r := p.pending.take(now, 0); r == nil || r.generation != back.generation {
			t.Errorf("%s: what is given back goes to %+v", name, r)
		}
		again := pause{generation: back.generation, total: back.total + 1_000_000, remaining: 1_000_000}
		if p.pauses.observe(again, now); start(p, b) != time.Second {
			t.Errorf("%s: a pause that came since moves it by %v", name, start(p, b))
		}
	}
}

// A pause that is over does not delay later local bookings. A pause that comes after a booking does.
func TestAloneAfterAnOldPause(t *testing.T) {
	t.Parallel()
	now := time.Now()
	p := newPodState(newContract(Config{Requests: 600, Window: time.Minute, Burst: 60, Shares: 10}, testQueue), 10,
		false, func() time.Time { return now })
	p.pauses.observe(pause{generation: 5, total: 6_000_000}, now)
	b, v := p.bookLocal(0, time.Minute.Microseconds(), 0, now)
	if !v.admitted {
		t.Fatalf("%+v", v)
	}
	later := now.Add(time.Minute)
	if moved := p.pauses.current.Load().start(later, b.pause).Sub(later); moved != 0 {
		t.Errorf("moved by %v", moved)
	}
	p.pauses.observe(pause{generation: 5, total: 7_000_000, remaining: 1_000_000}, now)
	if moved := p.pauses.current.Load().start(later, b.pause).Sub(later); moved != time.Second {
		t.Errorf("moved by %v", moved)
	}
}

func TestRefundsAreBounded(t *testing.T) {
	t.Parallel()
	p := newPending()
	for range 2 * maxMarks {
		p.add(time.Now(), func(r *report) {
			r.refund(&booking{mark: 1, slice: 5, tokens: 1, pause: pause{generation: 1}})
		})
	}
	r := p.take(time.Now(), 0)
	if len(r.marks) != maxMarks || len(r.corrections) != 1 {
		t.Errorf("%d marks, %d corrections", len(r.marks), len(r.corrections))
	}
	if again := p.take(time.Now(), 0); again != nil {
		t.Errorf("taken twice: %v", again)
	}
}

func TestAnswersAreReadStrictly(t *testing.T) {
	t.Parallel()
	two := []*entry{{}, {}}
	if err := parseRulings("1 2 3 4 5 0 0 20 30 40 50 1 7 8 9 10 11", two); err != nil {
		t.Error(err)
	}
	all := pause{generation: 7, total: 8, remaining: 9}
	for i, want := range []ruling{
		{admitted: true, delay: 2, mark: 3, slice: 4, cost: 5, why: 0, pause: all, requests: 10, tokens: 11},
		{admitted: false, delay: 20, mark: 30, slice: 40, cost: 50, why: 1, pause: all, requests: 10, tokens: 11},
	} {
		if two[i].ruling != want {
			t.Errorf("request %d got %+v", i, two[i].ruling)
		}
	}
	for _, text := range []string{"", "1 2", "1 2 3 4 5 6 7 8 9 10 x", "1.5 2 3 4 5 6 7 8 9 10 0"} {
		if err := parseRulings(text, two[:1]); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

// The tokens of a call that was booked from the share are corrected until the report is sent, and never below zero.
func TestCorrectsWhatItUsedAlone(t *testing.T) {
	t.Parallel()
	p, now := newPending(), time.Now()
	p.add(now, func(r *report) { r.addLocal(100, 1000) })
	p.add(now, func(r *report) { r.correctLocal(-60) })
	if r := p.take(now, 0); r.local != 40 || len(r.corrections) != 0 {
		t.Errorf("told %+v", r)
	}
	p.add(now, func(r *report) { r.correctLocal(-40) })
	if r := p.take(now, 0); r == nil || r.local != 0 {
		t.Errorf("told %+v", r)
	}
}
