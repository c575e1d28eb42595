package vendorsim

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// failure answers with an error in OpenAI's shape.
func failure(w http.ResponseWriter, status int, message string) int {
	code := strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_")
	body, _ := json.Marshal(map[string]any{"error": map[string]string{"message": message, "type": "simulated", "code": code}})
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
	return status
}

func retryAfter(h http.Header, d time.Duration) {
	if d > 0 {
		h.Set("Retry-After", strconv.Itoa(int((d+time.Second-1)/time.Second)))
	}
}

func retryAfterMS(h http.Header, d time.Duration) {
	if d > 0 {
		h.Set("Retry-After-Ms", strconv.Itoa(int((d+time.Millisecond-1)/time.Millisecond)))
	}
}

// breaks reports whether the answer is to end before its end.
func (c *call) breaks() bool { return c.fault.Kind == "cut" || c.fault.Kind == "stall" }

// broken ends an answer there: the connection closes, or stays silent until the client leaves.
func (c *call) broken(w http.ResponseWriter, r *http.Request) (int, bool) {
	_ = http.NewResponseController(w).Flush()
	if c.fault.Kind == "cut" {
		panic(http.ErrAbortHandler)
	}
	<-r.Context().Done()
	return 0, true
}

// reset breaks the connection off without a byte, with a TCP reset where there is TCP.
func reset(w http.ResponseWriter) int {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(interface{ SetLinger(sec int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
	return 0
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
