package middleware

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/redisx"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// TokenLimit counts tokens per user and minute over all pods, in Redis, beside UserLimit, which counts requests. What a
// request may use is known when its body has been read, so the handler books it: the estimate before the vendor's
// contract is touched, corrected by what was used when the call has ended. While Redis is away every pod counts for
// itself. It is safe for concurrent use; nil limits nothing.
type TokenLimit struct {
	rdb   *redisx.Client
	tiers map[string]*tierTokens
	log   *slog.Logger

	settling sync.WaitGroup

	mu    sync.Mutex
	local recent[string, tokenBucket]
}

// tierTokens is the limit of one tier with what is counted of it.
type tierTokens struct {
	limit        int
	policy       string // RateLimit-Policy
	shared       decisions
	local        decisions
	booked, used prometheus.Counter
}

// NewTokenLimit returns the limit of every tier that has one in cfg.
func NewTokenLimit(cfg Config, rdb *redisx.Client, log *slog.Logger, reg prometheus.Registerer) (*TokenLimit, error) {
	counter := telemetry.CounterVec("llm_user_token_decisions_total",
		"Requests the limit on a user's tokens allowed and limited, by tier and by where they were counted: "+
			"shared in Redis, or local while it was away.",
		"tier", "decision", "counted")
	tokens := telemetry.CounterVec("llm_user_tokens_total",
		"Tokens of users whose tier has a limit, by tier: booked by estimate, and used in the end.", "tier", "what")
	l := &TokenLimit{rdb: rdb, log: log, tiers: map[string]*tierTokens{}}
	for tier := range cfg.TierRates {
		limit := cfg.TierTokens[tier]
		if limit == 0 {
			continue
		}
		l.tiers[tier] = &tierTokens{
			limit: limit, policy: tokenPolicy(limit),
			shared: newDecisions(counter, tier, "shared"), local: newDecisions(counter, tier, "local"),
			booked: tokens.WithLabelValues(tier, "booked"), used: tokens.WithLabelValues(tier, "used"),
		}
	}
	return l, errors.Join(reg.Register(counter), reg.Register(tokens))
}

// TokenBooking is what a request has booked. The zero value is nothing, of a user without a limit.
type TokenBooking struct {
	limit  *TokenLimit
	tier   *tierTokens
	user   string
	tokens int
	mark   int64
	local  bool // booked in this pod's memory
}

// Book books what a request may use: tokens by estimate, of which sure is the part that is no guess. It says in the
// answer's header what is left. The error is a *outcome.Rejected.
func (l *TokenLimit) Book(ctx context.Context, h http.Header, tokens, sure int) (TokenBooking, error) {
	if l == nil {
		return TokenBooking{}, nil
	}
	in := InfoFrom(ctx)
	tier := l.tiers[in.Tier]
	if tier == nil {
		return TokenBooking{}, nil
	}
	if sure > tier.limit {
		return TokenBooking{}, &outcome.Rejected{Layer: "token_limit", Reason: outcome.PayloadTooLarge,
			Detail: fmt.Sprintf(
				"By estimate this request uses %d tokens, and this key may use %d a minute: it can never be served. "+
					"Send a lower max_tokens or a shorter prompt, or ask for a higher tier.", sure, tier.limit)}
	}
	b := TokenBooking{limit: l, tier: tier, user: in.User, tokens: min(tokens, tier.limit)}
	ruling := l.ask(ctx, &b)
	writeTokenLimits(h, tier, ruling)
	count := tier.shared
	if b.local {
		count = tier.local
	}
	if !ruling.allowed {
		count.limited.Inc()
		return TokenBooking{}, &outcome.Rejected{Layer: "token_limit", Reason: outcome.UserTokensLimited,
			RetryAfter: micros(ruling.wait), Detail: fmt.Sprintf(
				"By estimate this request uses %d tokens, and this key has fewer left of its %d a minute. "+
					"Slow down, send a lower max_tokens, or ask for a higher tier.", b.tokens, tier.limit)}
	}
	count.allowed.Inc()
	tier.booked.Add(float64(b.tokens))
	in.Add(slog.Int("booked_tokens", b.tokens))
	b.mark = ruling.mark
	return b, nil
}

// ask books in Redis, or in this pod's memory when Redis does not answer. It never fails.
func (l *TokenLimit) ask(ctx context.Context, b *TokenBooking) tokenRuling {
	ctx, span := telemetry.Start(ctx, "token_limit")
	ruling, err := l.step(ctx, tokenStep{user: b.user, tokens: b.tokens, limit: b.tier.limit})
	telemetry.End(span, err)
	if err == nil {
		return ruling
	}
	if !errors.Is(err, redisx.ErrAway) { // which is said once, by the guard
		l.log.DebugContext(ctx, "a user's tokens counted by this pod alone", slog.Any("error", err))
	}
	b.local = true
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	bucket := l.local.of(b.user)
	ruling = bucket.book(now.UnixMicro(), b.tokens, b.tier.limit)
	l.local.set(now, b.user, bucket)
	return ruling
}

// step takes one step in Redis.
func (l *TokenLimit) step(ctx context.Context, s tokenStep) (ruling tokenRuling, err error) {
	err = l.rdb.Do(ctx, func(ctx context.Context, r redis.Cmdable) (err error) {
		ruling, err = s.run(ctx, r)
		return err
	})
	return ruling, err
}

// Settle corrects the booking to what the call has used. It does not wait for Redis, and is called once. A correction
// that Redis does not take is lost: the estimate then stays.
func (b TokenBooking) Settle(used int) {
	l := b.limit
	if l == nil {
		return
	}
	b.tier.used.Add(float64(used))
	beyond := used - b.tokens
	switch {
	case beyond == 0:
	case b.local:
		l.mu.Lock()
		defer l.mu.Unlock()
		now := time.Now()
		bucket := l.local.of(b.user)
		bucket.settle(now.UnixMicro(), b.mark, beyond)
		l.local.set(now, b.user, bucket)
	default:
		l.send(tokenStep{user: b.user, settle: true, tokens: beyond, mark: b.mark})
	}
}

// Charge counts the tokens that a user's job has used beyond the estimate that was booked when it was handed in. Which
// tier the user has is not known any more: a user without a limit has no bucket, and then nothing happens.
func (l *TokenLimit) Charge(user string, estimate, used int) {
	if beyond := used - estimate; beyond > 0 && len(l.tiers) > 0 {
		l.send(tokenStep{user: user, settle: true, tokens: beyond})
	}
}

// send takes a step in Redis whose outcome no request waits for. It is bounded by the budget of Redis.
func (l *TokenLimit) send(s tokenStep) {
	l.settling.Go(func() {
		if _, err := l.step(context.Background(), s); err != nil && !errors.Is(err, redisx.ErrAway) {
			l.log.DebugContext(context.Background(), "a user's tokens stay as they were estimated",
				slog.Any("error", err))
		}
	})
}

// Close waits for what is still to be settled. Requests must have ended before.
func (l *TokenLimit) Close() error {
	l.settling.Wait()
	return nil
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
