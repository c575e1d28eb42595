package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// requests prints what a whole request of the real service costs Redis.
func requests(ctx context.Context, w io.Writer, binary string, d time.Duration) error {
	fmt.Fprintln(w, "| requests of one pod | answered with | scripts per request | Redis in all, µs per request | "+
		"requests a second, one core | at 60 % of it |\n|---|---|---:|---:|---:|---:|")
	const limit, tokens = "LLM_QUOTA_REQUESTS=600000000", "LLM_QUOTA_TOKENS=600000000000"
	for _, c := range []struct {
		name     string
		callers  int
		rate     float64
		settings []string
	}{
		{"requests limited, 200 a second", 64, 200, []string{limit}},
		{"requests limited, as fast as it goes", 64, 0, []string{limit}},
		{"requests and tokens, 10 a second", 64, 10, []string{limit, tokens}},
		{"requests and tokens, 200 a second", 64, 200, []string{limit, tokens}},
		{"requests and tokens, as fast as it goes", 64, 0, []string{limit, tokens}},
	} {
		if err := requestCost(ctx, w, binary, c.name, c.callers, c.rate, d, c.settings); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	s, err := startService(binary)
	if err != nil {
		return err
	}
	defer s.stop()
	before, err := s.redis.usage(ctx)
	if err != nil {
		return err
	}
	time.Sleep(2 * d)
	after, err := s.redis.usage(ctx)
	fmt.Fprintf(w, "\nA pod without requests runs %.1f scripts a second.\n",
		float64(after.scripts-before.scripts)/(2*d).Seconds())
	return err
}

func requestCost(ctx context.Context, w io.Writer, binary, name string, callers int, rate float64, d time.Duration,
	settings []string) error {
	s, err := startService(binary, settings...)
	if err != nil {
		return err
	}
	defer s.stop()
	if _, err := s.load(callers, rate, d/4); err != nil {
		return err
	}
	idle, err := s.idle(ctx)
	if err != nil {
		return err
	}
	before, err := s.redis.usage(ctx)
	if err != nil {
		return err
	}
	begin := time.Now()
	statuses, err := s.load(callers, rate, d)
	if err != nil {
		return err
	}
	took := time.Since(begin)
	after, err := s.redis.usage(ctx)
	if err != nil {
		return err
	}
	n := 0
	var kinds []string
	for status, count := range statuses {
		n += count
		kinds = append(kinds, strconv.Itoa(status))
	}
	slices.Sort(kinds)
	cost := (float64((after.cpu - before.cpu).Microseconds()) - idle*took.Seconds()) / float64(n)
	fmt.Fprintf(w, "| %s | %s | %.2f |", name, strings.Join(kinds, ", "),
		float64(after.scripts-before.scripts)/float64(n))
	if rate > 0 { // a Redis that sleeps most of the time pays for waking up, unlike a busy one
		fmt.Fprintln(w, " | | |")
	} else {
		fmt.Fprintf(w, " %.0f | %.0f | %.0f |\n", cost, 1e6/cost, 0.6e6/cost)
	}
	return nil
}

// idle is the processor time of Redis without any request, in microseconds per second.
func (s *service) idle(ctx context.Context) (float64, error) {
	before, err := s.redis.usage(ctx)
	if err != nil {
		return 0, err
	}
	time.Sleep(time.Second)
	after, err := s.redis.usage(ctx)
	return float64((after.cpu - before.cpu).Microseconds()), err
}
