package middleware

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"
)

// seconds are microseconds.
func seconds(n float64) int64 { return int64(n * 1e6) }

func TestTokensAreBookedAndFillAgain(t *testing.T) {
	t.Parallel()
	var b tokenBucket
	if r := b.book(0, 600, 1000); !r.allowed || tokensLeft(r.full, 1000) != 400 {
		t.Fatalf("600 of 1000: %+v", r)
	}
	if r := b.book(0, 600, 1000); r.allowed || r.wait != seconds(12) || tokensLeft(r.full, 1000) != 400 {
		t.Errorf("600 of 400: %+v, want a wait of 12 s for the other 200", r)
	}
	if r := b.book(0, 400, 1000); !r.allowed {
		t.Errorf("400 of 400: %+v", r)
	}
	if r := b.book(seconds(60), 1000, 1000); !r.allowed {
		t.Errorf("all, a minute later: %+v", r)
	}
}

func TestTokensAreSettled(t *testing.T) {
	t.Parallel()
	var b tokenBucket
	first := b.book(0, 900, 1000)
	b.settle(0, first.mark, -800)
	if r := b.book(0, 900, 1000); !r.allowed {
		t.Errorf("what was not used is not given back: %+v", r)
	}
	if r := b.book(0, 1, 1000); r.allowed {
		t.Errorf("more than all: %+v", r)
	}

	// What has filled again is not given back: the same tokens would be there twice.
	b = tokenBucket{}
	first = b.book(0, 1000, 1000)
	second := b.book(seconds(60), 1000, 1000)
	if !second.allowed {
		t.Fatal("not full after a minute")
	}
	b.settle(seconds(60), first.mark, -1000)
	if r := b.book(seconds(60), 1, 1000); r.allowed {
		t.Errorf("a refund of what had filled again made room: %+v", r)
	}

	// What was used beyond the estimate is a debt, of a window at most.
	b = tokenBucket{}
	first = b.book(0, 10, 1000)
	b.settle(0, first.mark, 1_000_000)
	if r := b.book(0, 1, 1000); r.allowed || r.wait < seconds(60) || r.wait > seconds(61) {
		t.Errorf("after a debt: %+v, want a wait of a window", r)
	}
}

// TestBucketsInRedisAndInMemoryAgree takes both through the same steps.
func TestBucketsInRedisAndInMemoryAgree(t *testing.T) {
	t.Parallel()
	clock, rdb := drivenRedis(t)
	rapid.Check(t, func(r *rapid.T) {
		clock.server.FlushAll()
		clock.set(epoch)
		var b tokenBucket
		marks := []int64{0}
		for range rapid.IntRange(1, 30).Draw(r, "steps") {
			s := tokenStep{user: "ada", settle: rapid.Bool().Draw(r, "settle"),
				limit: rapid.IntRange(1, 3000).Draw(r, "limit")}
			now := clock.now.UnixMicro()
			if s.settle {
				s.tokens, s.mark = rapid.IntRange(-4000, 4000).Draw(r, "beyond"),
					rapid.SampledFrom(marks).Draw(r, "mark")
				b.settle(now, s.mark, s.tokens)
			}
			var want tokenRuling
			if !s.settle {
				s.tokens = rapid.IntRange(0, s.limit).Draw(r, "tokens")
				want = b.book(now, s.tokens, s.limit)
				marks = append(marks, want.mark)
			}
			got, err := s.run(t.Context(), rdb)
			if err != nil {
				r.Fatal(err)
			}
			if !s.settle && got != want {
				r.Fatalf("%+v: Redis says %+v, memory %+v", s, got, want)
			}
			clock.pass(time.Duration(rapid.IntRange(0, 40_000_000).Draw(r, "pass")) * time.Microsecond)
		}
	})
}

// drivenRedis is an embedded Redis whose clock the test drives.
func drivenRedis(t *testing.T) (*redisClock, *redis.Client) {
	t.Helper()
	server := miniredis.RunT(t)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	clock := &redisClock{server: server}
	clock.set(epoch)
	return clock, rdb
}

// A clock that goes back must not keep a user out until the time that was.
func TestTokensSurviveAClockThatWentBack(t *testing.T) {
	t.Parallel()
	clock, rdb := drivenRedis(t)
	book := func() tokenRuling {
		t.Helper()
		r, err := tokenStep{user: "ada", tokens: 1000, limit: 1000}.run(t.Context(), rdb)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := book(); !r.allowed {
		t.Fatalf("at first: %+v", r)
	}
	clock.set(epoch.Add(-time.Hour))
	if r := book(); !r.allowed {
		t.Errorf("with the clock an hour back: %+v", r)
	}
	if r := book(); r.allowed {
		t.Errorf("more than all: %+v", r)
	}
}
