package quota

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/spillway-dev/spillway/internal/redistest"
)

// Calls that are booked together get what they would get one after the other.
func TestScriptBooksTogetherAsOneByOne(t *testing.T) {
	t.Parallel()
	redistest.OnEach(t, func(t *testing.T, rdb redis.UniversalClient) {
		rapid.Check(t, func(rt *rapid.T) {
			ok(t, rdb.FlushDB(t.Context()).Err())
			cfg := Config{
				Requests: rapid.IntRange(0, 12).Draw(rt, "requests"),
				Tokens:   rapid.IntRange(100, 1000).Draw(rt, "tokens"),
				Window:   time.Duration(rapid.IntRange(1, 60).Draw(rt, "window")) * time.Second,
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
					// As of the end.
					want.requests, want.tokens = apart[len(apart)-1].requests, apart[len(apart)-1].tokens
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
