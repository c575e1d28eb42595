package vendorsim

import (
	"bytes"
	"cmp"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// call is one call on its way through the vendor.
type call struct {
	request
	invalid bool // the body is no JSON object
	at      time.Time
	epoch   int
	record  *record       // guarded by Sim.mu
	buf     *bytes.Buffer // the body, then the answer

	tokens int // of the completion that it is due
	sent   int // of them that went out
	speed  float64
	wait   time.Duration // until the first byte
	fault  Fault
	again  time.Duration // until a refused call would be within the contract
	refuse bool
}

const (
	maxBody = 64 << 20 // the vendor reads no more of a request
	maxPods = 1_000    // the figures tell no more apart
)

// serveCall answers one call that arrived at.
func (s *Sim) serveCall(w http.ResponseWriter, r *http.Request, at time.Time) {
	c := &call{at: at, buf: s.buffers.Get().(*bytes.Buffer)}
	defer s.giveBack(c.buf)
	_, err := c.buf.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); err != nil && !large {
		http.Error(w, "the request broke off", http.StatusBadRequest) // it never arrived, so it does not count
		return
	}
	var ok bool
	c.request, ok = parse(c.buf.String())
	c.invalid = !ok
	s.arrive(c, r.Header, w.Header())
	status, cancelled := 0, false // what a panic leaves behind: the answer is broken off
	defer func() { s.end(c, status, cancelled) }()
	status, cancelled = c.answer(w, r)
}

// giveBack keeps a buffer for the next call, unless it has become large.
func (s *Sim) giveBack(buf *bytes.Buffer) {
	if buf.Cap() <= 1<<20 {
		buf.Reset()
		s.buffers.Put(buf)
	}
}

// arrive enters the call into the log and decides what becomes of it.
func (s *Sim) arrive(c *call, in, out http.Header) {
	id := cmp.Or(in.Get("X-Request-Id"), in.Get("Idempotency-Key"))
	s.mu.Lock()
	defer s.mu.Unlock()
	c.epoch, c.wait, c.speed = s.epoch, s.cfg.Latency.draw(s.random), s.cfg.TokensPerSecond
	if !c.invalid {
		c.tokens = s.cfg.CompletionTokens
		if c.limit > 0 {
			c.tokens = min(c.tokens, c.limit)
		}
		var delay time.Duration
		c.fault, delay = s.faultLocked(c.at)
		c.wait += delay
	}
	c.record = &record{Call: Call{
		Arrived: c.at, Prompt: c.prompt, Completion: c.bill(), RequestID: in.Get("X-Request-Id"), Pod: in.Get("X-Pod"), Fault: c.fault.Kind,
	}}
	c.record.arrival, c.refuse = s.contract.arrive(c.at, c.prompt+c.record.Completion)
	if c.refuse {
		c.again = s.contract.fits(c.prompt + c.record.Completion)
		c.record.Refused, c.record.Completion = true, 0
	}
	s.calls.add(c.record)
	s.countLocked(c, id)
	out["X-Request-Id"] = []string{"sim-" + strconv.Itoa(s.stats.Calls)}
	s.limitHeadersLocked(out)
	s.notifyLocked()
}

// bill is the completion that the call will bill when its client stays: a call that fails bills its prompt alone.
func (c *call) bill() int {
	switch c.fault.Kind {
	case "", "slow":
		return c.tokens
	case "cut", "stall":
		if c.stream {
			return min(c.fault.Chunks, c.tokens)
		}
	}
	return 0
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
		return // forgotten by a reset
	}
	r := c.record
	r.Ended, r.Status, r.Cancelled, r.Completion = time.Now(), status, cancelled, c.sent
	if r.arrival != nil {
		s.contract.correct(r.arrival, r.Prompt+r.Completion)
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

// limitHeadersLocked tells what is left of the contract and when there will be more, in OpenAI's names.
func (s *Sim) limitHeadersLocked(h http.Header) {
	l := &s.contract
	if l.contract.Requests == 0 && l.contract.Tokens == 0 {
		return
	}
	reset := []string{(l.free(l.first) + time.Millisecond - 1).Truncate(time.Millisecond).String()} // never early
	if n := l.contract.Requests; n > 0 {
		h["X-Ratelimit-Limit-Requests"] = []string{strconv.Itoa(n)}
		h["X-Ratelimit-Remaining-Requests"] = []string{strconv.Itoa(max(0, n-l.requests))}
		h["X-Ratelimit-Reset-Requests"] = reset
	}
	if n := l.contract.Tokens; n > 0 {
		h["X-Ratelimit-Limit-Tokens"] = []string{strconv.Itoa(n)}
		h["X-Ratelimit-Remaining-Tokens"] = []string{strconv.Itoa(max(0, n-l.tokens))}
		h["X-Ratelimit-Reset-Tokens"] = reset
	}
}
