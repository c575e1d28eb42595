package redisx

import (
	"context"
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

// Client runs commands on Redis under the guard. It is safe for concurrent use.
type Client struct {
	cfg    Config
	rdb    redis.UniversalClient
	shared *sharing // the same Redis, for callers that share round trips
	guard  *guard
}

// New returns a client for cfg. It does not dial: a Redis that is away is no reason not to start.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	o, err := cfg.options()
	if err != nil {
		return nil, err
	}
	rdb := redis.NewUniversalClient(o)
	c := &Client{cfg: cfg, rdb: rdb, shared: newSharing(rdb, cfg.Pool)}
	if c.guard, err = newGuard(cfg.Budget, c.ping, log, reg); err != nil {
		return nil, errors.Join(err, c.rdb.Close())
	}
	return c, nil
}

// Do runs f, which makes one round trip on r. When Redis is away it returns ErrAway at once; when Redis is in trouble,
// its error after the budget, or twice that for a command that waited behind another. The context f gets outlives the
// request's: a booking that was sent is seen to its end, so that it is known what to give back.
func (c *Client) Do(ctx context.Context, f func(ctx context.Context, r redis.Cmdable) error) error {
	if c.guard.away.Load() {
		c.guard.metrics.skipped.Inc()
		return ErrAway
	}
	err := c.run(context.WithoutCancel(ctx), f)
	c.guard.judge(err)
	return err
}

// run chooses the way f takes. While all is well the limits of the sockets are enough. In doubt a connection may first
// have to be made, which takes longer than a command may, so then a deadline bounds the wait for one; and nobody queues
// behind a batch that may hang.
func (c *Client) run(ctx context.Context, f func(ctx context.Context, r redis.Cmdable) error) error {
	if c.guard.inDoubt() {
		ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.Budget, errBudget)
		defer cancel()
		err := f(ctx, c.rdb)
		if cause := context.Cause(ctx); cause != nil && errors.Is(err, context.DeadlineExceeded) {
			return cause
		}
		return err
	}
	return f(ctx, c.shared)
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

// ping tells whether Redis serves scripts, which a replica or a Redis that is still loading does not. Of a Cluster every
// master must answer: the keys of requests are spread over all of them.
func (c *Client) ping(ctx context.Context) error {
	err := c.rdb.Eval(ctx, "return redis.call('SET', KEYS[1], 1, 'PX', 1000)", []string{"llm:probe"}).Err()
	cluster, ok := c.rdb.(*redis.ClusterClient)
	if err != nil || !ok {
		return err
	}
	return cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error { return master.Ping(ctx).Err() })
}
