package vendorsim

import (
	"net/http"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim/script"
)

// streamed answers with an event for each piece of the text, at the pace of the configuration.
func (c *call) streamed(w http.ResponseWriter, r *http.Request) (int, bool) {
	w.Header()["Content-Type"] = []string{"text/event-stream; charset=utf-8"}
	rc, begun, events := http.NewResponseController(w), time.Now(), 0
	var step time.Duration
	if c.speed > 0 {
		step = time.Duration(float64(time.Second) / c.speed)
	}
	visible := 0
	for event := range c.endpoint.Stream(c.content(), c.perPiece) {
		if c.breaks() && (events >= c.fault.Chunks || event.Tokens == 0) {
			return c.broken(w, r)
		}
		if _, err := w.Write(event.Bytes); err != nil {
			return 0, true
		}
		if events == 0 { // reasoning, and completions that were not chosen, are billed with the first event
			c.sent = c.usage.Completion + c.usage.Thought() - c.reply.Tokens*c.Choices
		}
		c.sent += event.Tokens
		visible += event.Tokens
		events++
		if event.Tokens == 0 || step == 0 && events > 1 {
			continue // as fast as the connection allows
		}
		if rc.Flush() != nil || !script.Pause(r, time.Until(begun.Add(time.Duration(visible)*step))) {
			return 0, true
		}
	}
	return http.StatusOK, false
}
