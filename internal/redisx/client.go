package redisx

import (
	"cmp"
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
	alone  *memoryAware // rdb, one command a round trip
	shared *memoryAware // rdb, for callers that share round trips
	guard  *guard
	file   *urlFile
}

// New returns a client for cfg. It does not dial: the service starts without Redis too.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	o, err := cfg.options()
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg}
	if c.file, err = cfg.follow(o, log, reg); err != nil {
		return nil, err
	}
	c.file.apply(o)
	c.rdb = cfg.open(o)
	if c.guard, err = newGuard(cfg.Budget, c.ping, log, reg); err != nil {
		c.file.close()
		return nil, errors.Join(err, c.rdb.Close())
	}
	c.alone = &memoryAware{c.rdb, c.guard.noteFull}
	c.shared = &memoryAware{newSharing(c.rdb, cfg.Pool), c.guard.noteFull}
	return c, nil
}

// Do runs f, which makes one round trip on r. When Redis is away, Do returns ErrAway at once. When Redis fails, Do
// returns the error within the budget, or within twice the budget when the command waited for another one. The context
// of f does not end with ctx: the answer to a booking must be read, because it says what to give back.
func (c *Client) Do(ctx context.Context, f func(ctx context.Context, r redis.Cmdable) error) error {
	if c.guard.away.Load() {
		c.guard.metrics.skipped.Inc()
		return ErrAway
	}
	err := c.run(context.WithoutCancel(ctx), f)
	c.guard.judge(err)
	return err
}

// run chooses the connection for f. Usually the time limits of the sockets are enough. After a failure f may need a new
// connection, which takes longer than the budget: then a deadline bounds the wait. f also shares no round trip then, so
// that it does not wait for one that hangs.
func (c *Client) run(ctx context.Context, f func(ctx context.Context, r redis.Cmdable) error) error {
	if c.guard.inDoubt() {
		ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.Budget, errBudget)
		defer cancel()
		err := f(ctx, c.alone)
		if cause := context.Cause(ctx); cause != nil && errors.Is(err, context.DeadlineExceeded) {
			return cause
		}
		return err
	}
	return f(ctx, c.shared)
}

// Away reports whether Redis is being skipped.
func (c *Client) Away() bool { return c.guard.away.Load() }

// Trouble returns for operators why limits or jobs are not shared through Redis; "" when they are. It reports a full
// Redis and refused commands for a minute.
func (c *Client) Trouble() string { return cmp.Or(c.guard.trouble(), c.file.Trouble()) }

// NoteFull counts and logs a refusal for lack of memory that a script got as a value.
func (c *Client) NoteFull(err error) { c.guard.noteFull(err) }

// OnChange has f called whenever Redis goes away or comes back. f runs on the guard's goroutine and must return soon.
// OnChange must be called before the client is used.
func (c *Client) OnChange(f func(away bool)) { c.guard.onChange(f) }

// Redis is the client below the guard, for pub/sub and for work that no request waits for.
func (c *Client) Redis() redis.UniversalClient { return c.alone }

// Close ends the background work and closes all connections.
func (c *Client) Close() error {
	c.guard.close()
	c.file.close()
	return c.rdb.Close()
}

// ping returns an error unless Redis runs scripts that write. A replica, and a Redis that is still loading, do not. A
// full Redis does, see memoryAware. In a Cluster every master must answer: the keys of requests are spread over all
// of them.
func (c *Client) ping(ctx context.Context) error {
	const probe = writeFirst + "return redis.call('SET', KEYS[1], 1, 'PX', 1000)"
	err := c.rdb.Eval(ctx, probe, []string{"llm:probe"}).Err()
	cluster, ok := c.rdb.(*redis.ClusterClient)
	if err != nil || !ok {
		return err
	}
	return cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error {
		return master.Ping(ctx).Err()
	})
}
