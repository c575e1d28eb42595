package redisx

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

// Client runs commands on Redis under the guard. It is safe for concurrent use.
type Client struct {
	rdb      redis.UniversalClient
	pipeline redis.Cmdable // the same Redis, callers sharing round trips
	flying   atomic.Int32
	guard    *guard
}

// crowd is the number of commands under way from which on callers share a pipeline. Below it a connection of one's own
// answers sooner; above it fewer system calls matter more.
const crowd = 8

// New returns a client for cfg. It does not dial: a Redis that is away is no reason not to start.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	o, err := cfg.options()
	if err != nil {
		return nil, err
	}
	c := &Client{rdb: redis.NewUniversalClient(o)}
	if c.pipeline, err = sharedPipeline(c.rdb); err != nil {
		return nil, errors.Join(err, c.rdb.Close())
	}
	if c.guard, err = newGuard(cfg.Budget, c.ping, log, reg); err != nil {
		return nil, errors.Join(err, c.rdb.Close())
	}
	return c, nil
}

func sharedPipeline(rdb redis.UniversalClient) (redis.Cmdable, error) {
	switch rdb := rdb.(type) {
	case *redis.Client:
		return rdb.AutoPipeline()
	case *redis.ClusterClient:
		return rdb.AutoPipeline()
	}
	return rdb, nil
}

// Do runs f, which makes one round trip on r. When Redis is away it returns ErrAway at once; when Redis is in trouble,
// its error after the budget at most. The context f gets outlives the request's: a booking that was sent is seen to its
// end, so that it is known what to give back.
func (c *Client) Do(ctx context.Context, f func(ctx context.Context, r redis.Cmdable) error) error {
	if c.guard.away.Load() {
		c.guard.skipped.Inc()
		return ErrAway
	}
	r := redis.Cmdable(c.rdb)
	if c.flying.Add(1) > crowd {
		r = c.pipeline
	}
	err := f(context.WithoutCancel(ctx), r)
	c.flying.Add(-1)
	c.guard.judge(err)
	return err
}

// Away tells whether Redis is being skipped.
func (c *Client) Away() bool { return c.guard.away.Load() }

// OnChange calls f whenever Redis goes away or comes back, on the guard's goroutine: f must be quick. It must be called
// before the client is used.
func (c *Client) OnChange(f func(away bool)) { c.guard.onChange(f) }

// Redis is the client below the guard, for pub/sub and for work that no request waits for.
func (c *Client) Redis() redis.UniversalClient { return c.rdb }

// Close ends the background work and closes all connections.
func (c *Client) Close() error {
	c.guard.close()
	return c.rdb.Close()
}

// ping tells whether Redis serves scripts, which a replica or a Redis that is still loading does not.
func (c *Client) ping(ctx context.Context) error {
	return c.rdb.Eval(ctx, "return redis.call('SET', KEYS[1], 1, 'PX', 1000)", []string{"llm:probe"}).Err()
}
