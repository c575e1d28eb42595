package quota

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// sleep waits for the booked start. A pause of the vendor moves the start. When the start moves beyond limit, the call
// is rejected at once.
func (q *Quota) sleep(ctx context.Context, b *booking, limit time.Time) error {
	begin := time.Now()
	ctx, span := telemetry.Start(ctx, "quota", attribute.Bool("llm.shared", !b.local))
	q.asleep.Add(1)
	err := q.await(ctx, b, begin.Add(time.Duration(b.delay)*time.Microsecond), limit)
	q.asleep.Add(-1)
	telemetry.End(span, err)
	if err == nil {
		q.metrics.wait.Observe(time.Since(begin).Seconds())
	}
	return err
}

func (q *Quota) await(ctx context.Context, b *booking, booked, limit time.Time) error {
	timer := time.NewTimer(time.Until(booked))
	defer timer.Stop()
	for {
		known := q.pauses.current.Load()
		start := known.start(booked, b.pause)
		left := time.Until(start)
		switch {
		case left <= 0:
			return nil
		case start.After(booked) && start.After(limit):
			q.metrics.of(b.local).moved.Inc()
			return q.rejection(ctx, &ruling{delay: left.Microseconds(), why: whyPause})
		}
		timer.Reset(left)
		select {
		case <-timer.C:
		case <-known.changed:
		case <-ctx.Done():
			q.metrics.of(b.local).ended.Inc()
			return llm.Ended(ctx, "quota")
		}
	}
}
