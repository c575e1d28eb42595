package middleware_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// tokenPod is a pod's limit on tokens with its own connections.
type tokenPod struct {
	tb    testing.TB
	rdb   *redisx.Client
	limit *middleware.TokenLimit
	reg   *prometheus.Registry
}

func newTokenPod(tb testing.TB, url string) *tokenPod {
	tb.Helper()
	cfg := config()
	cfg.TierTokens = map[string]int{"free": 1000}
	log, _ := newLog(slog.LevelInfo)
	p := &tokenPod{tb: tb, reg: prometheus.NewRegistry()}
	var err error
	if p.rdb, err = redisx.New(redisx.Config{URL: url, Budget: time.Second, Pool: 4}, log, p.reg); err != nil {
		tb.Fatal(err)
	}
	if p.limit, err = middleware.NewTokenLimit(cfg, p.rdb, log, p.reg); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = p.limit.Close(); _ = p.rdb.Close() })
	return p
}

// book books for the user, and returns the answer's header as well.
func (p *tokenPod) book(user, tier string, tokens int) (middleware.TokenBooking, http.Header, error) {
	p.tb.Helper()
	ctx := infoContext(p.tb, user, tier)
	h := http.Header{}
	b, err := p.limit.Book(ctx, h, tokens, tokens)
	return b, h, err
}

// refusal is why a booking was refused.
func refusal(t *testing.T, err error) *outcome.Rejected {
	t.Helper()
	r, ok := errors.AsType[*outcome.Rejected](err)
	if !ok || r.Layer != "token_limit" {
		t.Fatalf("got %v", err)
	}
	return r
}

func TestTokensOfAUserAreSharedByAllPods(t *testing.T) {
	t.Parallel()
	url := redistest.Start(t).URL()
	one, other := newTokenPod(t, url), newTokenPod(t, url)
	first, h, err := one.book("ada", "free", 600)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"RateLimit-Policy": `"user-tokens";q=1000;w=60;qu="tokens"`, "RateLimit": `"user-tokens";r=400;t=36`,
		"X-RateLimit-Limit-Tokens": "1000", "X-RateLimit-Remaining-Tokens": "400", "X-RateLimit-Reset-Tokens": "36",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	_, h, err = other.book("ada", "free", 600)
	if r := refusal(t, err); r.Reason != outcome.UserTokensLimited || r.RetryAfter <= 0 ||
		r.RetryAfter > 12*time.Second {
		t.Errorf("refused with %+v", r)
	}
	if h.Get("X-RateLimit-Remaining-Tokens") == "0" || h.Get("RateLimit") == "" {
		t.Errorf("a refused request is told %v", h)
	}
	// Another user has a bucket of the user's own, and a tier without a limit none.
	if _, _, err := other.book("bob", "free", 1000); err != nil {
		t.Errorf("bob: %v", err)
	}
	if _, h, err := other.book("eve", "pro", 1e6); err != nil || len(h) > 0 {
		t.Errorf("a tier without a limit: %v %v", err, h)
	}
	// What was not used comes back, in all pods.
	first.Settle(100)
	await.True(t, "room for 600", func() bool { _, _, err := other.book("ada", "free", 600); return err == nil })
}

// The refusal of a request that is larger than a minute's tokens says so, and names no time to wait.
func TestARequestLargerThanAllTokens(t *testing.T) {
	t.Parallel()
	pod := newTokenPod(t, redistest.Start(t).URL())
	_, _, err := pod.book("ada", "free", 1001)
	r := refusal(t, err)
	if r.Reason != outcome.PayloadTooLarge || r.RetryAfter != 0 || !strings.Contains(r.Detail, "1001") ||
		!strings.Contains(r.Detail, "1000 a minute") {
		t.Errorf("refused with %+v", r)
	}
	// A request whose estimate is above the limit only by a guess is not refused.
	if _, err := pod.limit.Book(infoContext(t, "bob", "free"), http.Header{}, 5000, 10); err != nil {
		t.Errorf("a guess: %v", err)
	}
}

// Redis dies, and the pod counts for itself. When Redis is back, what one pod books the others know.
func TestTokensOutliveRedis(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	pod := newTokenPod(t, redis.URL())
	redis.Kill()
	first, h, err := pod.book("ada", "free", 900)
	if err != nil || h.Get("X-RateLimit-Remaining-Tokens") != "100" {
		t.Fatalf("without Redis: %v %v", err, h)
	}
	_, _, err = pod.book("ada", "free", 900)
	if r := refusal(t, err); r.Reason != outcome.UserTokensLimited {
		t.Errorf("refused with %+v", r)
	}
	first.Settle(0)
	if _, _, err := pod.book("ada", "free", 900); err != nil {
		t.Errorf("what was given back is not there: %v", err)
	}
	redis.Restart()
	other := newTokenPod(t, redis.URL())
	users := 0
	await.True(t, "Redis is asked again", func() bool {
		users++
		user := fmt.Sprintf("user-%d", users)
		if _, _, err := pod.book(user, "free", 900); err != nil {
			t.Fatal(err)
		}
		_, _, err := other.book(user, "free", 900)
		return err != nil
	})
	for _, c := range []struct {
		pod  *tokenPod
		want string
	}{
		{pod, `{counted="local",decision="limited",tier="free"} 1`},
		{pod, `{counted="shared",decision="limited",tier="free"} 0`},
		{other, `{counted="shared",decision="limited",tier="free"} 1`},
	} {
		counted, err := testutil.GatherAndFormat(c.pod.reg, expfmt.TypeTextPlain, "llm_user_token_decisions_total")
		if err != nil || !strings.Contains(string(counted), c.want) {
			t.Errorf("%v, want %s in:\n%s", err, c.want, counted)
		}
	}
}
