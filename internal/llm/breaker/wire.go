package breaker

import (
	"fmt"
	"time"
)

// args encodes a request for breaker.lua, which reads ARGV in this order. The verdict stands in place of opEnd.
func (r request) args(cfg Config, channel string) []any {
	what := string(r.op)
	if r.op == opEnd {
		what = string(r.verdict)
	}
	return []any{
		what, channel, r.gen, r.lease, r.known.Milliseconds(),
		r.tally.calls, r.tally.failures, r.tally.row, r.tally.callers.String(), r.tally.failing.String(),
		cfg.Failures, cfg.Window.Milliseconds(), cfg.Open.Milliseconds(), cfg.OpenMax.Milliseconds(), cfg.Successes,
		cfg.Lease.Milliseconds(), r.asker,
	}
}

// parseReply decodes what breaker.lua returns.
func parseReply(n []int64) (reply, error) {
	if len(n) != 4 || n[0] < int64(Closed) || n[0] > int64(Open) {
		return reply{}, fmt.Errorf("breaker.lua replied %v", n)
	}
	return reply{state: State(n[0]), gen: n[1], left: time.Duration(n[2]) * time.Millisecond, lease: n[3]}, nil
}

// parseMessage decodes what breaker.lua publishes to all pods: state, generation and ms until the open state ends.
func parseMessage(text string) (reply, error) {
	var state, gen, left int64
	if _, err := fmt.Sscanf(text, "%d %d %d", &state, &gen, &left); err != nil {
		return reply{}, err
	}
	return parseReply([]int64{state, gen, left, 0})
}
