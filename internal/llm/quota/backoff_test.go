package quota

import (
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/redistest"
)

var bare = llm.Result{Called: true, Err: &llm.VendorError{Kind: llm.KindRateLimit, Status: http.StatusTooManyRequests}}

// The pauses double up to a minute, and end with the first success.
func TestRefusalsWithoutANumberMakePausesThatGrow(t *testing.T) {
	t.Parallel()
	var b backoff
	now := time.Now()
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		want *= time.Second
		pause, _ := b.refuse(now)
		if pause < want || pause > want+want/4 {
			t.Errorf("a pause of %v, want %v and up to a quarter more", pause, want)
		}
		if more, _ := b.refuse(now.Add(pause / 2)); more != 0 {
			t.Errorf("a call from before the pause made another one of %v", more)
		}
		now = now.Add(pause)
	}
	b.succeeded(now, 2*longestBackoff)
	if b.refused.Load() == 0 {
		t.Error("a call that began before the last refusal ended the pauses")
	}
	b.succeeded(now, longestBackoff/2)
	if pause, refused := b.refuse(now); refused != 1 || pause > 2*time.Second {
		t.Errorf("after a success: %v after %d refusals", pause, refused)
	}
}

// A vendor that refuses every call gets few calls, however many wait and for how long. When it is well again all go on.
func TestNoCallHammersAVendorThatRefuses(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{"no contract": {},
		"a contract": {Requests: 600_000, Window: time.Minute, Shares: 1, Fallback: "share"}} {
		synctest.Test(t, func(t *testing.T) {
			q := newTestQuota(t, cfg, nil)
			var seen atomic.Int64
			var well atomic.Bool
			call := func() bool {
				leave, err := q.Enter(t.Context(), sized(llm.High, 1, 1))
				if err != nil {
					return false
				}
				if seen.Add(1); well.Load() {
					leave(llm.Result{Called: true})
				} else {
					leave(bare)
				}
				return true
			}
			begin := time.Now()
			for time.Since(begin) < 2*time.Minute {
				call()
				time.Sleep(10 * time.Millisecond)
			}
			if n := seen.Load(); n < 5 || n > 9 {
				t.Errorf("%s: the vendor saw %d calls in two minutes", name, n)
			}
			well.Store(true)
			time.Sleep(90 * time.Second)
			for i := range 50 {
				if !call() {
					t.Errorf("%s: call %d is turned away after the vendor is well", name, i)
				}
				time.Sleep(time.Second)
			}
		})
	}
}

// Neither a call from before the refusal nor a 4xx that the client gets shows that the vendor takes calls again.
func TestPausesEndByASuccessThatFollowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newTestQuota(t, Config{}, nil)
		old, err := q.Enter(t.Context(), sized(llm.High, 1, 1))
		ok(t, err)
		time.Sleep(time.Second)
		leave, err := q.Enter(t.Context(), sized(llm.High, 1, 1))
		ok(t, err)
		leave(bare)
		time.Sleep(2 * time.Second)
		old(llm.Result{Called: true, Duration: 3 * time.Second})
		for _, tt := range []struct {
			refused bool
			want    int64
		}{{true, 1}, {false, 0}} {
			leave, err = q.Enter(t.Context(), sized(llm.High, 1, 1)) // the call that tries
			ok(t, err)
			leave(llm.Result{Called: true, Refused: tt.refused})
			if n := q.backoff.refused.Load(); n != tt.want {
				t.Errorf("refused %t: %d refusals in a row, want %d", tt.refused, n, tt.want)
			}
		}
	})
}

// After a pause one call tries, and the others wait for its result.
func TestOneCallTriesAfterARefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newTestQuota(t, Config{}, nil)
		leave, err := q.Enter(t.Context(), sized(llm.High, 1, 1))
		ok(t, err)
		leave(bare)
		time.Sleep(2 * time.Second)
		trial := sized(llm.High, 1, 1)
		leave, err = q.Enter(t.Context(), trial)
		ok(t, err)
		passed := make(chan error, 10)
		for range cap(passed) {
			go func() {
				_, err := q.Enter(t.Context(), sized(llm.High, 1, 1))
				passed <- err
			}()
		}
		synctest.Wait()
		if len(passed) != 0 {
			t.Fatalf("%d others did not wait", len(passed))
		}
		if waiting, booked := q.Waiting(), q.asleep.Load(); waiting != cap(passed) || booked != 0 {
			t.Errorf("%d calls wait, and %d of them count as booked", waiting, booked)
		}
		trial.Committed() // a stream that has begun
		synctest.Wait()
		if len(passed) != cap(passed) {
			t.Errorf("%d of %d passed after the first event", len(passed), cap(passed))
		}
		leave(llm.Result{Called: true})
	})
}

// All pods know of a refusal that one of them got.
func TestPodsShareTheirRefusals(t *testing.T) {
	t.Parallel()
	redis := at(redistest.Start(t))
	cfg := Config{Window: time.Minute, Shares: 2}
	a, b := pod(t, cfg, redis), pod(t, cfg, redis)
	await.True(t, "the other pod pauses too", func() bool {
		a.backoff.succeeded(time.Now(), 0)
		leave, err := a.Enter(t.Context(), sized(llm.High, 1, 1))
		if err == nil {
			leave(bare)
		}
		return b.backoff.refused.Load() > 0
	})
}
