package quota

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/redistest"
)

// A new state, after a start or a time without calls, begins without the burst. Its first call starts at once, also
// when it is a background call; the next one waits until half of the burst is there.
func TestTheFirstBackgroundCallOfANewState(t *testing.T) {
	t.Parallel()
	redistest.OnEach(t, func(t *testing.T, rdb redis.UniversalClient) {
		c := newContract(Config{Requests: 110, Tokens: 11_000, Burst: 11, Window: time.Minute}, 5*time.Second)
		s := newScripted(t, rdb, "first-background", c)
		background := string(request{kind: background, tokens: 100}.append(nil))
		s.run(int64(-1), micros(0)) // a pod that has started
		if first := s.together(background, 1)[0]; !first.admitted {
			t.Errorf("the first waits %d µs", first.delay)
		}
		if next := s.together(background, 1)[0]; next.admitted || next.delay < 5*c.interval {
			t.Errorf("the next starts beside it, or finds half of a burst: %+v", next)
		}
	})
}

// Background calls take half of the burst at most, and then go at the contract's own rate: there is always room for a
// call of low priority, which may not wait either.
func TestBackgroundLeavesHalfOfTheBurst(t *testing.T) {
	t.Parallel()
	redistest.OnEach(t, func(t *testing.T, rdb redis.UniversalClient) {
		c := newContract(Config{Requests: 110, Burst: 11, Window: time.Minute}, 5*time.Second)
		s := newScripted(t, rdb, "background", c)
		s.run(int64(0), micros(0)) // a new state begins without the burst
		s.now += time.Hour.Microseconds()
		background := func() ruling { return s.together(string(request{kind: background}.append(nil)), 1)[0] }
		n := 0
		var last ruling
		for ; n < 20; n++ {
			if last = background(); !last.admitted {
				break
			}
		}
		if n != 6 {
			t.Errorf("%d background calls at once of a burst of 11", n)
		}
		if last.delay <= 0 || last.delay > c.interval {
			t.Errorf("turned away for %d µs, with an interval of %d", last.delay, c.interval)
		}
		for i := range 5 {
			if r := s.run(int64(0), micros(0)); !r.admitted {
				t.Errorf("call %d of low priority finds no room", i)
			}
		}
		s.now += 6 * c.interval // what the others used, and one more
		if r := background(); !r.admitted {
			t.Errorf("no room when the burst is half full again: %+v", r)
		}
		s.now += c.interval
		if r := background(); !r.admitted {
			t.Errorf("slower than the contract: %+v", r)
		}
	})
}
