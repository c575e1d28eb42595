package middleware

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/redis/go-redis/v9"
)

//go:embed tokens.lua
var tokensLua string

var tokensScript = redis.NewScript(tokensLua)

// tokenStep is one booking or settlement in a user's bucket in Redis.
type tokenStep struct {
	user   string
	settle bool  // false: a booking
	tokens int   // to book; or used beyond the booking, negative: less
	limit  int   // of a booking: tokens per window
	mark   int64 // of a settlement: that of its booking
}

// run makes the step in Redis, in one round trip.
func (s tokenStep) run(ctx context.Context, r redis.Cmdable) (tokenRuling, error) {
	n, err := tokensScript.Run(ctx, r, []string{"llm:tokens:" + s.user}, s.args()...).Int64Slice()
	if err == nil && len(n) != 4 {
		err = fmt.Errorf("%d numbers in the reply %v, want 4", len(n), n)
	}
	if err != nil {
		return tokenRuling{}, fmt.Errorf("running tokens.lua: %w", err)
	}
	return tokenRuling{allowed: n[0] == 1, full: n[1], wait: n[2], mark: n[3]}, nil
}

// args encodes the step for tokens.lua, which reads ARGV in this order.
func (s tokenStep) args() []any {
	if s.settle {
		return []any{"settle", s.tokens, s.mark}
	}
	return []any{"book", s.tokens, s.limit}
}
