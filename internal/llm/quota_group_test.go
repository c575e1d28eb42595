package llm

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"
)

// Calls that are booked together get what they would get one after the other.
func TestQuotaScriptBooksTogetherAsOneByOne(t *testing.T) {
	t.Parallel()
	onEachRedis(t, func(t *testing.T, rdb redis.UniversalClient) {
		rapid.Check(t, func(rt *rapid.T) {
			ok(t, rdb.FlushDB(t.Context()).Err())
			cfg := QuotaConfig{
				Requests: rapid.IntRange(0, 12).Draw(rt, "requests"), Tokens: rapid.IntRange(100, 1000).Draw(rt, "tokens"),
				Window: time.Duration(rapid.IntRange(1, 60).Draw(rt, "window")) * time.Second,
			}
			c := newContract(cfg, cfg.Window/4)
			many, one := newScripted(t, rdb, "together", c), newScripted(t, rdb, "apart", c)
			for range rapid.IntRange(1, 8).Draw(rt, "batches") {
				step := rapid.Int64Range(0, c.window/2).Draw(rt, "step")
				many.now, one.now = many.now+step, one.now+step
				var pairs strings.Builder
				var apart []ruling
				for range rapid.IntRange(1, 12).Draw(rt, "calls") {
					tokens := rapid.Int64Range(0, int64(c.tokens)).Draw(rt, "estimate")
					wait := rapid.Int64Range(0, c.queue).Draw(rt, "wait")
					fmt.Fprint(&pairs, tokens, " ", wait, " ")
					apart = append(apart, one.run(tokens, wait))
				}
				for i, got := range many.together(pairs.String(), len(apart)) {
					want := apart[i]
					want.requests, want.tokens = apart[len(apart)-1].requests, apart[len(apart)-1].tokens // as of the end
					if got != want {
						rt.Fatalf("call %d of %q: together %+v, apart %+v", i, pairs.String(), got, want)
					}
				}
			}
			together, err := rdb.HGetAll(t.Context(), many.key).Result()
			ok(t, err)
			apart, err := rdb.HGetAll(t.Context(), one.key).Result()
			ok(t, err)
			if fmt.Sprint(together) != fmt.Sprint(apart) {
				rt.Fatalf("the states differ: together %v, apart %v", together, apart)
			}
		})
	})
}

// Calls that come while others are under way go together, in their order, and none waits for more than the batch before it.
func TestQuotaGroupGathersInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g group
		var sent []string
		var mu sync.Mutex
		send := func(batch []*seat) {
			mu.Lock()
			sent = append(sent, pairs(batch))
			mu.Unlock()
			time.Sleep(time.Second) // the round trip
			for _, s := range batch {
				s.delay = s.tokens
			}
		}
		var calls sync.WaitGroup
		for i := range int64(maxFlying + 3) {
			calls.Go(func() {
				s := g.seat(i, 9)
				defer g.free(s)
				g.book(s, send)
				if s.delay != i {
					t.Errorf("call %d got the answer of %d", i, s.delay)
				}
			})
			synctest.Wait()
		}
		start := time.Now()
		calls.Wait()
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("took %v, want two round trips", took)
		}
		if got, want := fmt.Sprintf("%q", sent), `["0 9 " "1 9 " "2 9 3 9 4 9 "]`; got != want {
			t.Errorf("sent %s, want %s", got, want)
		}
		if g.flying != 0 || len(g.waiting) != 0 {
			t.Errorf("left behind: %d flying, %d waiting", g.flying, len(g.waiting))
		}
	})
}

func TestQuotaGroupLimitsABatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g group
		largest := 0
		var mu sync.Mutex
		var calls sync.WaitGroup
		for range 3 * maxBatch {
			calls.Go(func() {
				s := g.seat(1, 1)
				defer g.free(s)
				g.book(s, func(batch []*seat) {
					mu.Lock()
					largest = max(largest, len(batch))
					mu.Unlock()
					time.Sleep(time.Second)
				})
			})
		}
		calls.Wait()
		if largest != maxBatch {
			t.Errorf("the largest batch had %d calls, want %d", largest, maxBatch)
		}
	})
}

// A panic on the way to Redis is the affair of the call that had it; those who gathered behind it get their turn.
func TestQuotaGroupOutlivesAPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g group
		send := func([]*seat) { time.Sleep(time.Second); panic("broken") }
		var calls sync.WaitGroup
		var panics atomic.Int32
		for range maxFlying + 2 {
			calls.Go(func() {
				defer func() {
					if recover() != nil {
						panics.Add(1)
					}
				}()
				s := newSeat(1, 1)
				g.book(s, send)
				if s.err == nil {
					t.Error("a call that nobody sent has an answer")
				}
			})
			synctest.Wait()
		}
		calls.Wait()
		if panics.Load() != maxFlying+1 || g.flying != 0 {
			t.Errorf("%d panics, want one for each batch; %d flying", panics.Load(), g.flying)
		}
	})
}
