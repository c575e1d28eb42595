package quota

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/redisx"
)

//go:embed quota.lua
var quotaLua string

const (
	pauseWindows = 10                 // the longest pause a vendor can ask for, in windows
	quotaTTL     = 7 * 24 * time.Hour // after which an unused state is forgotten, and begins again without credit
)

// source returns quota.lua with the contract in front. The constants are part of the text, so that a run sends only
// its own data. Pods with two contracts work on the same state, each by its own contract.
func (c contract) source() string {
	return fmt.Sprintf(
		"local Q, span, reqT, reqB = %d, %d, %d, %d\nlocal tokL, tokT, tokB, slice = %d, %.17g, %d, %d\nlocal "+
			"holdMax, holdSlack, ttl = %d, %d, %d\n",
		c.queue,
		c.window+c.queue,
		c.interval,
		int64(c.burst)*c.interval,
		c.tokens,
		c.pace,
		c.tokenBurst,
		c.slice,
		pauseWindows*c.window,
		pauseSlack.Microseconds(),
		quotaTTL.Milliseconds(),
	) + quotaLua
}

// sharedQuota moves bytes between the quota and its script.
type sharedQuota struct {
	rdb    *redisx.Client
	keys   []string
	script *redis.Script
}

// newSharedQuota names the key after the window too: the ledger's slices of two windows do not fit together.
func newSharedQuota(c contract, rdb *redisx.Client, vendor string) *sharedQuota {
	window := time.Duration(c.window) * time.Microsecond
	return &sharedQuota{
		rdb:    rdb,
		keys:   []string{"llm:{" + vendor + "}:quota:" + window.String()},
		script: redis.NewScript(c.source()),
	}
}

// channel is where the script announces pauses.
func (s *sharedQuota) channel() string { return s.keys[0] + ":hold" }

// refusals is where pods announce how often in a row the vendor has refused without saying for how long.
func (s *sharedQuota) refusals() string { return s.keys[0] + ":refused" }

// announceRefusals tells all pods. When the message is lost, each pod that missed it makes one more call to the
// vendor.
func (s *sharedQuota) announceRefusals(refused int64) {
	_ = s.rdb.Do(context.Background(), func(ctx context.Context, r redis.Cmdable) error {
		return r.Publish(ctx, s.refusals(), refused).Err()
	})
}

// run makes one round trip for all requests of batch, with the report r when it is not nil, and fills in the rulings.
func (s *sharedQuota) run(ctx context.Context, batch []*attempt, r *report) error {
	list := scriptArgs(batch, r)
	return s.rdb.Do(ctx, func(ctx context.Context, r redis.Cmdable) error {
		text, err := s.script.Run(ctx, r, s.keys, list...).Text()
		if err == nil {
			err = parseRulings(text, batch)
		}
		if err != nil {
			return fmt.Errorf("running quota.lua: %w", err)
		}
		return nil
	})
}

// ruling is the answer of quota.lua to one call, times in microseconds.
type ruling struct {
	admitted int64
	delay    micros // until the booked start; when not admitted, the wait it would have taken
	mark     micros // with which the request can be given back
	slice    int64  // of the ledger, in which the tokens are booked
	cost     micros // that the tokens took of the pace
	why      int64  // the rule that decided the start; see the constants
	pause           // as it stands now
	requests int64  // used part of the burst, in thousandths; over 1000 when calls queue
	tokens   int64  // used part of the tokens, in thousandths
}

// What decides a start, in quota.lua's numbers.
const (
	whyRequests = iota + 1
	whyTokens
	whyPause
	whyOrder
	whyAway // Redis is away and the fallback is reject
	whyShare
	whySize
)
