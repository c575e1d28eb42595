package quota

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/redistest"
)

// Story of a pause: everything that has not started moves by as much as the pause grows, and keeps its order.
func TestScriptPausesForTheVendor(t *testing.T) {
	t.Parallel()
	redistest.OnEach(t, func(t *testing.T, rdb redis.UniversalClient) {
		c := minute(func(cfg *Config) { cfg.Burst = 2; cfg.Tokens = 0 })
		s := newScripted(t, rdb, "pause", c).warm()
		sub := rdb.Subscribe(t.Context(), s.key+":hold")
		t.Cleanup(func() { _ = sub.Close() })
		_, err := sub.Receive(t.Context())
		ok(t, err)
		s.run(0, c.queue)
		s.run(0, c.queue)
		asleep := s.run(0, c.queue)

		// The vendor asks for 2 s, and all pods learn of it.
		r := s.run(-1, 0, 0, 2_000_000, 0, 0, 0, 0, 0)
		if r.total != 2_000_000 || r.remaining != 2_000_000 {
			t.Fatalf("the pause: %+v", r)
		}
		m, err := sub.ReceiveMessage(t.Context())
		ok(t, err)
		announced, err := parsePause(m.Payload)
		ok(t, err)
		if announced != r.pause {
			t.Errorf("announced %+v, want %+v", announced, r.pause)
		}
		// A new call starts after the one that sleeps, which has moved by 2 s.
		if next := s.run(0, c.queue); next.delay < asleep.delay+2_000_000 {
			t.Errorf("a new call waits %d µs, one that slept before the pause %d", next.delay, asleep.delay+2_000_000)
		}
		// Half a second later the vendor says 2 s again: only what is new is added.
		s.now += 500_000
		if r = s.run(-1, 0, 0, 2_000_000, 0, 0, 0, 0, 0); r.total != 2_500_000 {
			t.Errorf("all pauses are %d µs, want 2.5 s", r.total)
		}
		// A pause that grows by little is not announced, until the growth adds up.
		if r = s.run(-1, 0, 0, 2_040_000, 0, 0, 0, 0, 0); r.total != 2_500_000 {
			t.Errorf("all pauses are %d µs after one that is longer by 40 ms", r.total)
		}
		if r = s.run(-1, 0, 0, 2_060_000, 0, 0, 0, 0, 0); r.total != 2_560_000 {
			t.Errorf("all pauses are %d µs after one that is longer by 60 ms", r.total)
		}
		// A shorter one changes nothing, and an absurd one is cut.
		if r = s.run(-1, 0, 0, 1_000_000, 0, 0, 0, 0, 0); r.total != 2_560_000 {
			t.Errorf("all pauses are %d µs after a shorter one", r.total)
		}
		if r = s.run(-1, 0, 0, int64(1e12), 0, 0, 0, 0, 0); r.remaining != pauseWindows*c.window {
			t.Errorf("a pause of %d µs", r.remaining)
		}
	})
}

// Even an idle contract starts nothing before the end of a pause, and then without a burst.
func TestScriptStartsNothingDuringAPause(t *testing.T) {
	t.Parallel()
	redistest.OnEach(t, func(t *testing.T, rdb redis.UniversalClient) {
		c := minute(func(cfg *Config) { cfg.Burst = 2; cfg.Tokens = 0 })
		s := newScripted(t, rdb, "idle", c).warm()
		s.run(-1, 0, 0, 2_000_000, 0, 0, 0, 0, 0)
		s.now += 1_999_000
		if r := s.run(0, 0); r.admitted || r.delay != 1_000 || r.why != whyPause {
			t.Errorf("during the pause: %+v", r)
		}
		s.now += 1_000
		if r := s.run(0, 0); !r.admitted {
			t.Errorf("after the pause: %+v", r)
		}
		if r := s.run(0, 0); r.admitted || r.delay != c.interval {
			t.Errorf("a second call after the pause: %+v", r)
		}
	})
}
