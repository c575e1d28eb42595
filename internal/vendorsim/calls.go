package vendorsim

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim/ledger"
)

// Call is one call in the vendor's log.
type Call struct {
	Arrived    time.Time `json:"arrived"`
	Ended      time.Time `json:"ended,omitzero"`     // zero while it is in flight
	Status     int       `json:"status"`             // 0 while it is in flight, or when the answer was cut
	Prompt     int       `json:"prompt_tokens"`      // bytes of the body / 4
	Completion int       `json:"completion_tokens"`  // tokens that it will bill; at the end, those that it has billed
	Endpoint   string    `json:"endpoint,omitempty"` // chat, messages and so on
	Model      string    `json:"model,omitempty"`    // its first 80 bytes
	RequestID  string    `json:"request_id,omitempty"`
	Pod        string    `json:"pod,omitempty"`       // header X-Pod
	Fault      string    `json:"fault,omitempty"`     // kind of the fault that applied to it
	Answer     string    `json:"answer,omitempty"`    // name of the answer that was played
	Cancelled  bool      `json:"cancelled,omitempty"` // the client left before the end
	Refused    bool      `json:"refused,omitempty"`   // by the contract, in which it then does not count
	Violation  bool      `json:"violation,omitempty"` // the window that ends with it has more than the contract
	Seen       *Seen     `json:"seen,omitempty"`      // of the last Config.KeepRequests calls
}

// record is a call in the log.
type record struct {
	Call
	arrival *ledger.Arrival // nil when it does not count in the contract
}

// callLog has the last calls.
type callLog struct {
	keep    int
	records []*record
	seen    []*record // those with a Seen, the oldest first
}

func (l *callLog) add(r *record) {
	if l.keep > 0 {
		l.records = append(l.records, r)
	}
	if gone := len(l.records) - max(0, l.keep); gone > 0 {
		clear(l.records[:gone])
		l.records = l.records[gone:]
	}
}

// Calls is a copy of the log, in order of arrival: the last Config.KeepCalls calls.
func (s *Sim) Calls() []Call {
	s.mu.Lock()
	calls := make([]Call, 0, len(s.calls.records))
	for _, r := range s.calls.records {
		c := r.Call
		c.Violation = r.arrival != nil && r.arrival.Violates()
		calls = append(calls, c)
	}
	s.mu.Unlock()
	slices.SortStableFunc(calls, func(a, b Call) int { return a.Arrived.Compare(b.Arrived) })
	return calls
}

// serveLog writes the calls.
func (s *Sim) serveLog(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(w)
	for _, c := range s.Calls() {
		if enc.Encode(c) != nil {
			return // the reader left
		}
	}
}
