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
var scriptText string

const (
	pauseWindows = 10                 // the longest pause a vendor can ask for, in windows
	stateTTL     = 7 * 24 * time.Hour // after which Redis forgets an unused state; the next one begins without credit
)

// source returns quota.lua with the contract in front. The constants are part of the text, so that a run sends only
// its own data. Pods with different contracts work on the same state, each by its own contract.
func (c contract) source() string {
	times := fmt.Sprintf("local Q, span, reqT, reqB = %d, %d, %d, %d\n",
		c.queue, c.window+c.queue, c.interval, int64(c.burst)*c.interval)
	tokens := fmt.Sprintf("local tokL, tokT, tokB, slice = %d, %.17g, %d, %d\n",
		c.tokens, c.pace, c.tokenBurst, c.slice)
	limits := fmt.Sprintf("local holdMax, holdSlack, ttl = %d, %d, %d\n",
		pauseWindows*c.window, pauseSlack.Microseconds(), stateTTL.Milliseconds())
	return times + tokens + limits + scriptText
}

// sharedState runs the script. It only moves bytes.
type sharedState struct {
	rdb    *redisx.Client
	keys   []string
	script *redis.Script
}

// newSharedState puts the window into the name of the key: two windows cut the ledger into slices of different length.
func newSharedState(c contract, rdb *redisx.Client, vendor string) *sharedState {
	window := time.Duration(c.window) * time.Microsecond
	return &sharedState{
		rdb:    rdb,
		keys:   []string{"llm:{" + vendor + "}:quota:" + window.String()},
		script: redis.NewScript(c.source()),
	}
}

// channel is the channel on which the script announces pauses.
func (s *sharedState) channel() string { return s.keys[0] + ":hold" }

// refusals is the channel on which pods announce how often in a row the vendor has refused without a time to wait.
func (s *sharedState) refusals() string { return s.keys[0] + ":refused" }

// announceRefusals announces refusals to all pods. A pod that misses the message makes one more call to the vendor.
func (s *sharedState) announceRefusals(refused int64) {
	_ = s.rdb.Do(context.Background(), func(ctx context.Context, r redis.Cmdable) error {
		return r.Publish(ctx, s.refusals(), refused).Err()
	})
}

// run makes one round trip for all requests of batch, and sets their rulings. It sends the report r when r is not nil.
func (s *sharedState) run(ctx context.Context, batch []*entry, r *report) error {
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

// ruling is the answer of quota.lua to one call.
type ruling struct {
	admitted bool
	delay    micros // until the booked start; when not admitted, the wait it would have taken
	mark     micros // with which the request can be given back
	slice    int64  // of the ledger, in which the tokens are booked
	cost     micros // that the tokens took of the pace
	why      rule   // that decided the start
	pause           // as it stands now
	requests int64  // used part of the burst, in thousandths; over 1000 when calls queue
	tokens   int64  // used part of the tokens, in thousandths
}

// rule is what decides about a start.
type rule int

const (
	whyNothing  rule = iota // the call starts at once
	whyRequests             // the contract's requests
	whyTokens               // the contract's tokens
	whyPause                // a pause that the vendor asked for
	whyOrder                // calls that were booked earlier

	// The rules above have their numbers in quota.lua too. The others are decided in this pod.

	whyAway  // Redis is away and the fallback is reject
	whyShare // Redis is away and the share of this pod is too small
	whySize  // the call is larger than the contract
)
