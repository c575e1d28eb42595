package dashboard

import (
	"context"
	"strings"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// The kinds of faults.
var (
	down      = vendorsim.Fault{Kind: "status", Status: 503}
	slow      = vendorsim.Fault{Kind: "slow", Delay: vendorsim.Duration(600 * time.Millisecond)}
	silent    = vendorsim.Fault{Kind: "hang"}
	paused    = vendorsim.Fault{Kind: "status", Status: 429, RetryAfter: vendorsim.Duration(time.Second)}
	throttled = vendorsim.Fault{Kind: "status", Status: 429}
)

// story makes happen everything that the panels show. Each stage goes on until the pod has counted its subject.
func story(w *world) {
	w.until(`llm_tokens_total`, func() { w.crowd(3, "pro", chat); w.crowd(3, "pro", stream) })
	w.until(`llm_jobs_submitted_total`, func() { w.ask("dev-pro", chat, "Prefer", "respond-async") })
	w.until(`llm_jobs_waits_total`, func() { w.ask("dev-pro", chat, "Prefer", "respond-async, wait=5") })
	w.ask("no such key", chat)
	w.ask("dev-pro", chat, "Idempotency-Key", strings.Repeat("long", 100))
	w.ask("dev-pro", "{")
	w.until(`llm_model_lists_total`, w.list)
	w.crowd(200, "free", chat) // each of 20 users may send 5, and fewer by their tokens
	await.True(w.t, "a user's tokens are used up", func() bool {
		n, err := w.pod.Metric(`llm_user_tokens_total`)
		return err == nil && n > 0
	})

	// Many requests: slots are in use, the queue is full, the pacer delays, the pod sheds and is full; bodies wait for
	// memory.
	w.faults(slow)
	w.until(`llm_admission_rejections_total`, func() { w.crowd(40, "enterprise", chat) })
	w.until(`llm_shed_total`, func() {
		w.behind("enterprise", func() { w.ask("dev-pro", chat) })
	})
	w.until(`llm_memory_rejections_total`, func() { w.crowd(8, "enterprise", large()) })

	// The contract is used up: calls wait for their booked start.
	w.faults()
	w.until(`llm_quota_wait_seconds_count`, func() { w.crowd(12, "enterprise", chat) })

	// One vendor asks for a pause, then refuses without a time, then fails: the other lane takes the calls.
	for _, stage := range []struct {
		fault  vendorsim.Fault
		metric string
	}{{paused, "llm_quota_holds_total"}, {throttled, "llm_quota_backoffs_total"}, {down, "llm_failovers_total"}} {
		if err := w.first.SetFaults(stage.fault); err != nil {
			w.t.Fatal(err)
		}
		w.until(stage.metric, func() { w.crowd(3, "enterprise", chat) })
	}
	// The other lane is slow: its calls wait for its share of the slots.
	if err := w.second.SetFaults(slow); err != nil {
		w.t.Fatal(err)
	}
	w.until(`llm_lane_slots_wait_seconds_count`, func() { w.crowd(3, "enterprise", chat) })
	// Both fail: retries, the breakers open, requests fail fast; they recover, and probes close the breakers.
	w.faults(down)
	w.until(`llm_retries_total`, func() { w.crowd(3, "enterprise", chat) })
	w.ask("dev-enterprise", chat, "Prefer", "respond-async")
	w.until(`llm_jobs_retried_total`, func() {})
	w.until(`llm_breaker_rejections_total`, func() { w.crowd(6, "enterprise", chat) })
	w.until(`llm_breaker_state{lane="default"}`, func() { w.crowd(6, "enterprise", chat) })
	w.refused("vendor_unavailable")
	w.faults()
	w.until(`llm_breaker_transitions_total{lane="default",to="closed"}`, func() { w.ask("dev-enterprise", chat) })

	// The vendor does not answer: the deadline ends the request.
	w.faults(silent)
	w.refused("deadline_exceeded")
	// Nor does the client wait for it.
	w.until(`llm_vendor_attempts_total{endpoint="chat",lane="default",result="client_gone"}`, func() {
		impatient, leave := context.WithTimeout(w.t.Context(), 300*time.Millisecond)
		defer leave()
		w.askIn(impatient, "dev-enterprise", chat)
	})
	w.faults()

	// Redis hangs: the pod uses its own counts.
	w.redis.Stop()
	w.until(`llm_redis_commands_total{result="skipped"}`, func() { w.crowd(3, "enterprise", chat) })
}
