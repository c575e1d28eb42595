package redisx

import (
	"context"
	"time"

	"github.com/go-redis/redis_rate/v10"
)

// clockSlack is how much longer than its period a bucket may take to fill before it is given up.
const clockSlack = time.Second

// AllowRate lets Redis decide one request of a bucket. A bucket is full again after its period at the latest. When
// Redis says that it takes longer, its clock has gone back since the bucket was written, as after a failover to a
// replica whose clock is behind. The bucket is then deleted, because its user would be refused until the clock is where
// it was.
func AllowRate(ctx context.Context, limiter *redis_rate.Limiter, key string, limit redis_rate.Limit) (
	*redis_rate.Result, error) {
	res, err := limiter.Allow(ctx, key, limit)
	if err != nil || max(res.ResetAfter, res.RetryAfter) <= limit.Period+clockSlack {
		return res, err
	}
	if err := limiter.Reset(ctx, key); err != nil {
		return nil, err
	}
	return limiter.Allow(ctx, key, limit)
}
