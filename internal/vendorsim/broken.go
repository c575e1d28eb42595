package vendorsim

import (
	"io"
	"net/http"
	"strings"
)

// breaks reports whether the answer must stop early.
func (c *call) breaks() bool { return c.fault.Kind == "cut" || c.fault.Kind == "stall" }

// broken stops an answer: the connection closes, or sends nothing more until the client leaves.
func (c *call) broken(w http.ResponseWriter, r *http.Request) (int, bool) {
	_ = http.NewResponseController(w).Flush()
	if c.fault.Kind == "cut" {
		panic(http.ErrAbortHandler)
	}
	<-r.Context().Done()
	return 0, true
}

// huge answers with 32 MiB: one JSON object with a very long text.
func huge(w http.ResponseWriter) (int, bool) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"huge":"`)
	part := strings.Repeat("x", 1<<16)
	for range 32 << 20 / len(part) {
		if _, err := io.WriteString(w, part); err != nil {
			return 0, true
		}
	}
	return written(io.WriteString(w, `"}`))
}
