package redistest

import (
	"context"
	"strconv"
	"strings"
	"testing"
)

// StartFull starts a Redis with a small maxmemory and noeviction, and fills it: it refuses what may take memory.
func StartFull(tb testing.TB) *Server {
	tb.Helper()
	s := StartLimited(tb, 4<<20)
	s.Fill()
	return s
}

// StartLimited starts a Redis that refuses what may take memory once it uses maxmemory bytes. Redis itself takes almost
// 2 MiB.
func StartLimited(tb testing.TB, maxmemory int64) *Server {
	tb.Helper()
	return start(tb, "--save", "", "--appendonly", "no",
		"--maxmemory", strconv.FormatInt(maxmemory, 10), "--maxmemory-policy", "noeviction")
}

// fillers is the key below which Fill writes.
const fillers = "redistest:fill:"

// Fill writes values until Redis refuses even the smallest, and then lowers its limit by slack.
func (s *Server) Fill() {
	s.tb.Helper()
	ctx, c := context.Background(), s.Client()
	n := c.DBSize(ctx).Val()
	for size := 256 << 10; size > 0; size /= 4 {
		for c.Set(ctx, fillers+strconv.FormatInt(n, 10), strings.Repeat("x", size), 0).Err() == nil {
			n++
		}
	}
	used, err := c.InfoMap(ctx, "memory").Result()
	must(s.tb, err)
	n, err = strconv.ParseInt(used["Memory"]["used_memory"], 10, 64)
	must(s.tb, err)
	must(s.tb, c.ConfigSet(ctx, "maxmemory", strconv.FormatInt(n-slack, 10)).Err())
}

// slack is what Redis may free after Fill without having room again: it gives up buffers of connections some time after
// they were needed, those of Fill's own values among them.
const slack = 1 << 20

// Drain removes what Fill wrote. Redis keeps the lower limit.
func (s *Server) Drain() {
	s.tb.Helper()
	ctx, c := context.Background(), s.Client()
	keys, err := c.Keys(ctx, fillers+"*").Result()
	must(s.tb, err)
	must(s.tb, c.Del(ctx, keys...).Err())
}
