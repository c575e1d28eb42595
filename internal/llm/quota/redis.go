package quota

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/redisx"
)

//go:embed quota.lua
var quotaLua string

const (
	holdWindows = 10                 // the longest pause a vendor can ask for, in windows
	quotaTTL    = 7 * 24 * time.Hour // after which an unused state is forgotten, and begins again without credit
)

// source is quota.lua with the contract set in front. The constants are part of the text, so that a call sends only what
// is its own; pods of two versions with two contracts work on the same state, each by its own.
func (c contract) source() string {
	return fmt.Sprintf("local Q, span, reqT, reqB = %d, %d, %d, %d\nlocal tokL, tokT, tokB, slice = %d, %.17g, %d, %d\nlocal holdMax, holdSlack, ttl = %d, %d, %d\n",
		c.queue, c.window+c.queue, c.interval, int64(c.burst)*c.interval,
		c.tokens, c.pace, c.tokenBurst, c.slice,
		holdWindows*c.window, holdSlack.Microseconds(), quotaTTL.Milliseconds()) + quotaLua
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
	return &sharedQuota{rdb: rdb, keys: []string{"llm:{" + vendor + "}:quota:" + window.String()}, script: redis.NewScript(c.source())}
}

// channel is where the script announces pauses.
func (s *sharedQuota) channel() string { return s.keys[0] + ":hold" }

// refusals is where pods announce how often in a row the vendor has refused without saying for how long.
func (s *sharedQuota) refusals() string { return s.keys[0] + ":refused" }

// announceRefusals tells all pods. A message that is lost costs the vendor a call of each pod that missed it.
func (s *sharedQuota) announceRefusals(refused int64) {
	_ = s.rdb.Do(context.Background(), func(ctx context.Context, r redis.Cmdable) error {
		return r.Publish(ctx, s.refusals(), refused).Err()
	})
}

// run makes the one round trip for all of seats, which it fills in. args are the arguments of quota.lua.
func (s *sharedQuota) run(ctx context.Context, seats []*seat, args []any) error {
	return s.rdb.Do(ctx, func(ctx context.Context, r redis.Cmdable) error {
		text, err := s.script.Run(ctx, r, s.keys, args...).Text()
		if err == nil {
			err = parseRulings(text, seats)
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
	whyHold
	whyOrder
	whyAway // Redis is away and the fallback is reject
	whyShare
	whySize
)

// parseRulings reads the answers to seats, and what is common to all of them.
func parseRulings(text string, seats []*seat) (err error) {
	rest := text
	for _, s := range seats {
		v := &s.ruling
		if rest, err = cutInts(rest, &v.admitted, &v.delay, &v.mark, &v.slice, &v.cost, &v.why); err != nil {
			return err
		}
	}
	var all ruling
	if _, err = cutInts(rest, &all.generation, &all.total, &all.remaining, &all.requests, &all.tokens); err != nil {
		return err
	}
	for _, s := range seats {
		v := &s.ruling
		v.pause, v.requests, v.tokens = all.pause, all.requests, all.tokens
	}
	return nil
}

// cutInts reads integers that are separated by single spaces and returns what comes behind them.
func cutInts(text string, into ...*int64) (rest string, err error) {
	rest = text
	for _, field := range into {
		var word string
		word, rest, _ = strings.Cut(rest, " ")
		if *field, err = strconv.ParseInt(word, 10, 64); err != nil {
			return "", fmt.Errorf("reading %q: %w", text, err)
		}
	}
	return rest, nil
}
