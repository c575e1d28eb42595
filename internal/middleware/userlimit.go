package middleware

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-redis/redis_rate/v10"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/redisx"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// UserLimit counts requests per user and minute over all pods, in Redis, in one round trip. After Redis has refused a
// user, this pod refuses the user without asking, until the time that Redis named. While Redis is away every pod counts
// for itself: it is better that a user gets the rate from each pod than that users get nothing.
type UserLimit struct {
	rdb       *redisx.Client
	tiers     map[string]userRate
	endpoints map[tierRoute]userRate
	refused   refusedBuckets
	local     localLimits
	log       *slog.Logger
}

// tierRoute is a route that has a rate of its own, for one tier.
type tierRoute struct{ tier, route string }

// userRate is a rate with what is derived from it once.
type userRate struct {
	limit  redis_rate.Limit
	policy []string // RateLimit-Policy
	shared decisions
	known  decisions
	local  decisions
}

// decisions counts what became of requests.
type decisions struct{ allowed, limited prometheus.Counter }

// newDecisions takes those of one tier, counted in one place, from a counter with the labels tier, decision and
// counted.
func newDecisions(counter *prometheus.CounterVec, tier, counted string) decisions {
	return decisions{
		allowed: counter.WithLabelValues(tier, "allowed", counted),
		limited: counter.WithLabelValues(tier, "limited", counted),
	}
}

// NewUserLimit returns the limit of every tier in cfg.
func NewUserLimit(cfg Config, rdb *redisx.Client, log *slog.Logger, reg prometheus.Registerer) (*UserLimit, error) {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "llm_user_limit_decisions_total",
		Help: "Requests the user limit allowed and limited, by tier and by where they were counted: shared in Redis, " +
			"remembered from its last answer, or local while it was away.",
	}, []string{"tier", "decision", "counted"})
	u := &UserLimit{rdb: rdb, log: log, tiers: map[string]userRate{}, endpoints: map[tierRoute]userRate{}}
	for tier, rate := range cfg.TierRates {
		u.tiers[tier] = newUserRate(tier, rate, counter)
		for route, own := range cfg.EndpointRates {
			u.endpoints[tierRoute{tier, route}] = newUserRate(tier, min(own, rate), counter)
		}
	}
	return u, reg.Register(counter)
}

func newUserRate(tier string, rate int, counter *prometheus.CounterVec) userRate {
	limit := redis_rate.PerMinute(rate)
	return userRate{
		limit: limit, policy: policyHeader(limit), shared: newDecisions(counter, tier, "shared"),
		known: newDecisions(counter, tier, "remembered"), local: newDecisions(counter, tier, "local"),
	}
}

// Handler allows or limits, and says in either case how much is left.
func (u *UserLimit) Handler(fail Fail) gin.HandlerFunc {
	return func(c *gin.Context) {
		rate, key := u.bucket(info(c), c.FullPath())
		res, count := u.allow(c.Request.Context(), key, rate)
		writeLimits(c.Writer.Header(), rate.policy, res)
		if res.Allowed == 0 {
			count.limited.Inc()
			fail(c, &outcome.Rejected{Layer: "user_limit", Reason: outcome.UserRateLimited, RetryAfter: res.RetryAfter,
				Detail: "Slow down, or ask for a higher tier."})
			return
		}
		count.allowed.Inc()
		c.Next()
	}
}

// bucket returns the bucket in which a request is counted: the user's, or the user's at a route that has a rate of its
// own. Counting a request in both would take two round trips, or a script of our own in place of redis_rate's. Whatever
// the names of users are, no two share a bucket.
func (u *UserLimit) bucket(in *Info, route string) (userRate, string) {
	if rate, ok := u.endpoints[tierRoute{in.Tier, route}]; ok {
		return rate, "llm:route:" + route + ":" + in.User
	}
	return u.tiers[in.Tier], "llm:user:" + in.User
}

// allow asks Redis, unless the answer is known, and this pod's own count when Redis does not answer. It never fails.
func (u *UserLimit) allow(ctx context.Context, key string, rate userRate) (*redis_rate.Result, decisions) {
	ctx, span := telemetry.Start(ctx, "user_limit")
	asked := time.Now()
	if res := u.refused.known(asked, key, rate.limit); res != nil {
		telemetry.End(span, nil)
		return res, rate.known
	}
	var res *redis_rate.Result
	err := u.rdb.Do(ctx, func(ctx context.Context, r redis.Cmdable) (err error) {
		if res, err = redisx.AllowRate(ctx, redis_rate.NewLimiter(r), key, rate.limit); err != nil {
			err = fmt.Errorf("user limit: %w", err)
		}
		return err
	})
	telemetry.End(span, err)
	if err == nil {
		u.refused.remember(asked, key, res)
		return res, rate.shared
	}
	if !errors.Is(err, redisx.ErrAway) { // which is said once, by the guard
		u.log.DebugContext(ctx, "user limit counted by this pod alone", slog.Any("error", err))
	}
	return u.local.allow(time.Now(), key, rate.limit), rate.local
}
