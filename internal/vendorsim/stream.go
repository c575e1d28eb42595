package vendorsim

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// stream answers with a chunk for each token, a chunk with the usage when that was asked for, and [DONE].
func (s *Sim) stream(w http.ResponseWriter, r *http.Request, c *call) (int, bool) {
	h := w.Header()
	h["Content-Type"] = []string{"text/event-stream; charset=utf-8"}
	rc := http.NewResponseController(w)
	s.mu.Lock()
	speed := s.cfg.TokensPerSecond
	s.mu.Unlock()
	step := time.Duration(0)
	if speed > 0 {
		step = time.Duration(float64(time.Second) / speed)
	}
	words := strings.SplitAfter(c.echo, " ")
	for n := range c.completion {
		if c.fault != nil && (c.fault.Kind == "cut" || c.fault.Kind == "stall") && n >= c.fault.Chunks {
			return broken(w, r, c.fault.Kind)
		}
		word := "… "
		if n < len(words) {
			word = words[n]
		}
		if _, err := w.Write(c.chunk(word, "")); err != nil {
			return 0, true
		}
		c.sent++
		if step > 0 || n == 0 {
			if rc.Flush() != nil || !pause(r, step) {
				return 0, true
			}
		}
	}
	b := c.chunk("", "stop")
	if c.includeUsage {
		b = append(b, `data: {"id":"chatcmpl-sim","object":"chat.completion.chunk","choices":[],"usage":`...)
		b = append(appendUsage(b, c.prompt, c.completion), "}\n\n"...)
	}
	if _, err := w.Write(append(b, "data: [DONE]\n\n"...)); err != nil {
		return 0, true
	}
	return http.StatusOK, false
}

// chunk is one event: a token, or the reason why there are no more.
func (c *call) chunk(word, finish string) []byte {
	b := make([]byte, 0, 256)
	b = append(b, `data: {"id":"chatcmpl-sim","object":"chat.completion.chunk","created":`...)
	b = strconv.AppendInt(b, c.at.Unix(), 10)
	b = append(b, `,"model":`...)
	b = appendQuoted(b, c.model)
	b = append(b, `,"choices":[{"index":0,"delta":{`...)
	if finish == "" {
		b = append(b, `"content":`...)
		b = appendQuoted(b, word)
		return append(b, "},\"finish_reason\":null}]}\n\n"...)
	}
	b = append(b, `},"finish_reason":"`...)
	return append(append(b, finish...), "\"}]}\n\n"...)
}
