package vendorsim

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// call is one call on its way through the vendor.
type call struct {
	index int // in the log
	epoch int
	at    time.Time

	model, echo  string
	stream       bool
	includeUsage bool
	prompt       int
	completion   int
	sent         int // tokens of the completion that went out

	latency time.Duration
	fault   *Fault
	refused bool
	again   time.Duration // Retry-After of a refusal
}

// maxBody bounds what the vendor reads of a request.
const maxBody = 64 << 20

// serveCall answers one call.
func (s *Sim) serveCall(w http.ResponseWriter, r *http.Request) {
	at := time.Now() // as early as possible: this is the arrival
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil || !gjson.ValidBytes(body) {
		reply(w, http.StatusBadRequest, map[string]any{"error": map[string]string{"message": "the body is not JSON", "type": "invalid_request_error"}})
		return
	}
	c := parse(body)
	s.arrive(c, at, w.Header(), r.Header.Get("X-Request-Id"))
	status, cancelled := 0, true // what a panic leaves behind: the connection is broken off
	defer func() { s.end(c, status, cancelled && r.Context().Err() != nil) }()
	status, cancelled = s.answer(w, r, c)
}

// parse reads what matters of a request.
func parse(body []byte) *call {
	f := gjson.GetManyBytes(body, "model", "stream", "max_tokens", "max_completion_tokens", "stream_options.include_usage", "messages")
	c := &call{model: f[0].String(), stream: f[1].Bool(), includeUsage: f[4].Bool(), prompt: (len(body) + 3) / 4, echo: "Hello!"}
	c.completion = int(max(f[2].Int(), f[3].Int()))
	f[5].ForEach(func(_, message gjson.Result) bool {
		if message.Get("role").Str == "user" && message.Get("content").Type == gjson.String {
			c.echo = "You said: " + message.Get("content").Str
		}
		return true
	})
	return c
}

// arrive enters the call into the log and decides what becomes of it.
func (s *Sim) arrive(c *call, at time.Time, header http.Header, requestID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.log.calls); n > 0 && at.Before(s.log.calls[n-1].Arrived) {
		at = s.log.calls[n-1].Arrived // another call that arrived later got the lock first; the difference is microseconds
	}
	if c.completion == 0 || c.completion > s.cfg.CompletionTokens {
		c.completion = s.cfg.CompletionTokens
	}
	contract := s.cfg.Contract
	var v verdict
	v, c.index = s.log.arrive(at, contract, c.prompt, c.completion)
	entry := &s.log.calls[c.index]
	entry.RequestID = requestID
	c.epoch, c.at, c.refused = s.log.epoch, at, entry.Refused
	c.latency, c.fault = s.cfg.Latency.draw(s.random), s.faultLocked(at)
	st := &s.stats
	st.Calls++
	st.InFlight++
	st.MaxInFlight = max(st.MaxInFlight, st.InFlight)
	if requestID != "" {
		s.repeats[requestID]++
		st.MaxRepeats = max(st.MaxRepeats, s.repeats[requestID])
	}
	if c.refused {
		st.Refused++
		c.again = s.log.freeAgain(at, time.Duration(contract.Window))
	} else {
		st.MaxRequests, st.MaxTokens = max(st.MaxRequests, v.requests), max(st.MaxTokens, v.tokens)
		if v.overRequests {
			st.RequestViolations++
		}
		if v.overTokens {
			st.TokenViolations++
		}
	}
	header["X-Request-Id"] = []string{"sim-" + strconv.Itoa(st.Calls)}
	s.limitHeadersLocked(header, contract, at)
	s.notifyLocked()
}

// limitHeadersLocked tells what is left of the contract, in OpenAI's names.
func (s *Sim) limitHeadersLocked(h http.Header, c Contract, now time.Time) {
	if c.Requests == 0 && c.Tokens == 0 {
		return
	}
	reset := s.log.freeAgain(now, time.Duration(c.Window)).Round(time.Millisecond).String()
	for _, l := range []struct {
		name        string
		limit, used int
	}{{"Requests", c.Requests, s.log.requests}, {"Tokens", c.Tokens, s.log.tokens}} {
		if l.limit > 0 {
			h["X-Ratelimit-Limit-"+l.name] = []string{strconv.Itoa(l.limit)}
			h["X-Ratelimit-Remaining-"+l.name] = []string{strconv.Itoa(max(0, l.limit-l.used))}
			h["X-Ratelimit-Reset-"+l.name] = []string{reset}
		}
	}
}

// end closes the call's entry in the log.
func (s *Sim) end(c *call, status int, cancelled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.epoch != s.log.epoch {
		return // forgotten by a reset
	}
	entry := &s.log.calls[c.index]
	entry.Ended, entry.Status, entry.Cancelled = time.Now(), status, cancelled
	if status != http.StatusOK && !c.refused {
		s.log.correct(c.index, c.sent)
	}
	s.stats.InFlight--
	s.stats.Status[status]++
	if cancelled {
		s.stats.Cancelled++
	}
	if !c.refused {
		s.stats.PromptTokens += entry.Prompt
		s.stats.CompletionTokens += entry.Completion
	}
	s.notifyLocked()
}

// answer gives the call what it is due and returns the status, and whether the client left first.
func (s *Sim) answer(w http.ResponseWriter, r *http.Request, c *call) (status int, cancelled bool) {
	if c.refused {
		w.Header().Set("Retry-After", strconv.Itoa(int((c.again+time.Second-1)/time.Second)))
		return failure(w, http.StatusTooManyRequests, "the contract is used up"), false
	}
	wait, kind := c.latency, ""
	if c.fault != nil {
		kind = c.fault.Kind
		wait += time.Duration(c.fault.Delay)
	}
	if kind == "hang" {
		<-r.Context().Done()
		return 0, true
	}
	if !pause(r, wait) {
		return 0, true
	}
	switch kind {
	case "status":
		if c.fault.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int((time.Duration(c.fault.RetryAfter)+time.Second-1)/time.Second)))
		}
		if c.fault.RetryAfterMS > 0 {
			w.Header().Set("Retry-After-Ms", strconv.Itoa(c.fault.RetryAfterMS))
		}
		return failure(w, c.fault.Status, "a fault on demand"), false
	case "reset":
		panic(http.ErrAbortHandler)
	case "malformed":
		_, _ = io.WriteString(w, `{"choices": [oops`)
		return http.StatusOK, false
	case "huge":
		_, _ = io.Copy(w, io.LimitReader(zeros{}, 32<<20))
		return http.StatusOK, false
	}
	if c.stream {
		return s.stream(w, r, c)
	}
	return s.buffered(w, r, c)
}

// buffered answers with one JSON object.
func (s *Sim) buffered(w http.ResponseWriter, r *http.Request, c *call) (int, bool) {
	quoted, _ := json.Marshal(c.echo)
	b := make([]byte, 0, 320+len(quoted))
	b = append(b, `{"id":"chatcmpl-sim","object":"chat.completion","created":`...)
	b = strconv.AppendInt(b, c.at.Unix(), 10)
	b = append(b, `,"model":`...)
	b = appendQuoted(b, c.model)
	b = append(b, `,"choices":[{"index":0,"message":{"role":"assistant","content":`...)
	b = append(b, quoted...)
	b = append(b, `},"finish_reason":"stop"}],"usage":`...)
	b = append(appendUsage(b, c.prompt, c.completion), '}', '\n')
	h := w.Header()
	h["Content-Type"] = []string{"application/json"}
	h["Content-Length"] = []string{strconv.Itoa(len(b))}
	if c.fault != nil && (c.fault.Kind == "cut" || c.fault.Kind == "stall") {
		_, _ = w.Write(b[:len(b)/2])
		return broken(w, r, c.fault.Kind)
	}
	c.sent = c.completion
	_, _ = w.Write(b)
	return http.StatusOK, false
}

// broken ends an answer in its middle: the connection breaks, or stays silent until the client leaves.
func broken(w http.ResponseWriter, r *http.Request, kind string) (int, bool) {
	_ = http.NewResponseController(w).Flush()
	if kind == "cut" {
		panic(http.ErrAbortHandler)
	}
	<-r.Context().Done()
	return 0, true
}

// pause waits, and reports false when the client left first.
func pause(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

func failure(w http.ResponseWriter, status int, message string) int {
	reply(w, status, map[string]any{"error": map[string]string{"message": message, "type": "simulated", "code": strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_")}})
	return status
}

func appendUsage(b []byte, prompt, completion int) []byte {
	return fmt.Appendf(b, `{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}`, prompt, completion, prompt+completion)
}

func appendQuoted(b []byte, s string) []byte {
	quoted, _ := json.Marshal(s)
	return append(b, quoted...)
}

// zeros is an endless reader.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }
