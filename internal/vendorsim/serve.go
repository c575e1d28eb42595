package vendorsim

import (
	"bytes"
	"cmp"
	"net/http"
	"strings"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim/dialect"
)

// call is one call on its way through the vendor.
type call struct {
	dialect.Request
	endpoint  *dialect.Endpoint // nil when the path is unknown
	anthropic bool              // the client speaks Anthropic's API
	wrong     *dialect.Failure  // the vendor refuses the request itself, whatever faults there are
	key       string            // of the client
	at        time.Time
	epoch     int
	number    int
	record    *record       // guarded by Sim.mu
	buf       *bytes.Buffer // parts of the body, then the answer

	reply    dialect.Reply
	usage    dialect.Usage // if the client stays to the end
	perPiece int           // tokens in each piece of a stream
	sent     int           // tokens of the completion that were sent
	speed    float64
	wait     time.Duration // until the first byte
	fault    Fault
	again    time.Duration // time until a refused call would be within the contract
	refuse   bool
}

const (
	maxBody = 64 << 20 // bytes of a request that the vendor reads
	maxPods = 1_000    // pods in the figures

	partSize = 32 << 10 // bytes of a body that are read at once
)

// serveCall answers one call, which arrived at the time at.
func (s *Sim) serveCall(w http.ResponseWriter, r *http.Request, path dialect.Path, at time.Time) {
	c := &call{at: at, endpoint: path.Endpoint, buf: s.buffers.Get().(*bytes.Buffer), key: keyOf(r.Header)}
	defer s.giveBack(c.buf)
	give, err := s.room.take(r.Context(), r.ContentLength)
	if err != nil {
		return // the client left
	}
	defer give()
	c.buf.Grow(partSize)
	body, err := readBody(w, r, c.buf.AvailableBuffer()[:partSize])
	if err != nil {
		http.Error(w, "the request broke off", http.StatusBadRequest) // it did not arrive whole, so it does not count
		return
	}
	c.anthropic = c.endpoint != nil &&
		(c.endpoint.Anthropic || r.Method == http.MethodGet && r.Header.Get("Anthropic-Version") != "")
	var ok bool
	cfg := s.Config()
	c.Request, ok = c.endpoint.Read(body)
	c.Model = cmp.Or(c.Model, path.Model)
	c.wrong = c.check(cfg, r, path, ok || r.Method == http.MethodGet)
	c.plan(cfg)
	s.arrive(c, r, w.Header(), body)
	status, cancelled := 0, false // the values after a panic: the answer is cut
	defer func() { s.end(c, status, cancelled) }()
	status, cancelled = c.answer(w, r, cfg)
}

// keyOf returns the client's API key, from the header of any vendor.
func keyOf(h http.Header) string {
	return cmp.Or(strings.TrimPrefix(h.Get("Authorization"), "Bearer "), h.Get("X-Api-Key"), h.Get("Api-Key"))
}

// plan decides the answer of the call without faults.
func (c *call) plan(cfg Config) {
	c.speed, c.perPiece = cfg.TokensPerSecond, max(1, cfg.ChunkTokens)
	c.usage.Prompt = c.Prompt
	c.Stream = c.Stream && c.endpoint != nil && c.endpoint.Streams()
	if c.wrong != nil || !c.endpoint.Streams() {
		return
	}
	c.reply = c.Reply(cfg.CompletionTokens)
	c.reply.Join(c.perPiece)
	c.usage.Completion, c.usage.Extra = c.reply.Tokens*c.BestOf, cfg.Tokens
}

// giveBack keeps a buffer for the next call, unless it has become large.
func (s *Sim) giveBack(buf *bytes.Buffer) {
	if buf.Cap() <= 1<<20 {
		buf.Reset()
		s.buffers.Put(buf)
	}
}

// arrive enters the call into the log and decides what happens to it.
func (s *Sim) arrive(c *call, r *http.Request, out http.Header, body string) {
	in := r.Header
	s.mu.Lock()
	defer s.mu.Unlock()
	c.epoch, c.wait = s.epoch, s.cfg.Latency.Draw(s.random)
	if c.wrong == nil {
		var delay time.Duration
		c.fault, delay = s.faultLocked(c.at, target{model: c.Model, path: r.URL.Path, key: c.key})
		c.fault = c.asked(c.fault)
		c.wait += delay
	}
	prompt, completion := c.bill()
	c.record = &record{Call: Call{
		Arrived: c.at, Prompt: prompt, Completion: completion, RequestID: in.Get("X-Request-Id"), Pod: in.Get("X-Pod"),
		Fault: c.fault.Kind,
	}}
	c.record.describe(c, s.cfg.KeepCalls)
	if c.endpoint == nil || !c.endpoint.Free {
		c.record.arrival, c.refuse = s.contract.Arrive(c.at, prompt+completion)
	}
	if c.refuse {
		c.again = s.contract.Fits(prompt + completion)
		c.record.Refused, c.record.Completion = true, 0
	}
	s.calls.add(c.record)
	s.calls.see(c.record, s.cfg.KeepRequests, r, body)
	s.countLocked(c, cmp.Or(in.Get("X-Request-Id"), in.Get("Idempotency-Key")))
	c.number = s.stats.Calls
	s.limitHeadersLocked(out, c)
	s.notifyLocked()
}

// bill returns the tokens that the call bills if its client stays: a failed call bills only its prompt.
func (c *call) bill() (prompt, completion int) {
	whole := c.usage.Completion + c.usage.Thought()
	prompt = c.usage.PromptBill(c.anthropic)
	switch c.fault.Kind {
	case "", "slow":
		return prompt, whole
	case "cut", "stall":
		if c.Stream && c.fault.Chunks > 0 {
			return prompt, min(c.fault.Chunks*c.perPiece, c.reply.Tokens*c.Choices) + whole - c.reply.Tokens*c.Choices
		}
	case "answer":
		bill := c.fault.Answer.Bill()
		return cmp.Or(bill.Prompt, prompt), bill.Completion
	}
	return prompt, 0
}

func (s *Sim) countLocked(c *call, id string) {
	st := &s.stats
	st.Calls++
	st.InFlight++
	st.MaxInFlight = max(st.MaxInFlight, st.InFlight)
	if c.refuse {
		st.Refused++
	}
	if id != "" {
		s.repeats.count(id)
	}
	if pod := c.record.Pod; pod != "" && (st.Pods[pod] > 0 || len(st.Pods) < maxPods) {
		st.Pods[pod]++
	}
}

// end closes the call's entry in the log.
func (s *Sim) end(c *call, status int, cancelled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.epoch != s.epoch {
		return // removed by a reset
	}
	r := c.record
	r.Ended, r.Status, r.Cancelled, r.Completion = time.Now(), status, cancelled, c.sent
	if r.arrival != nil {
		s.contract.Correct(r.arrival, r.Prompt+r.Completion)
	}
	s.stats.InFlight--
	s.stats.Status[status]++
	if cancelled {
		s.stats.Cancelled++
	}
	if !r.Refused {
		s.stats.PromptTokens += r.Prompt
		s.stats.CompletionTokens += r.Completion
	}
	s.notifyLocked()
}
