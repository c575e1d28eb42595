package vendorsim

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// filler is what the vendor goes on saying when it has said what it had to say and has tokens left.
const filler = " I am a simulated vendor and know no more than that, so I go on until my tokens are used up."

// streamed answers with a chunk for each token, a chunk with the usage when that was asked for, and [DONE].
func (c *call) streamed(w http.ResponseWriter, r *http.Request) (int, bool) {
	w.Header()["Content-Type"] = []string{"text/event-stream; charset=utf-8"}
	rc := http.NewResponseController(w)
	words := strings.SplitAfter(gjson.Parse(c.reply()).Str, " ")
	more := strings.SplitAfter(filler, " ")
	step, begun := time.Duration(0), time.Now()
	if c.speed > 0 {
		step = time.Duration(float64(time.Second) / c.speed)
	}
	for n := range c.tokens {
		if c.breaks() && n >= c.fault.Chunks {
			return c.broken(w, r)
		}
		word := more[max(0, n-len(words))%len(more)]
		if n < len(words) {
			word = words[n]
		}
		if _, err := w.Write(c.token(word, n == 0)); err != nil {
			return 0, true
		}
		c.sent++
		if step == 0 && n > 0 {
			continue // as fast as the connection takes it
		}
		if rc.Flush() != nil || !pause(r, time.Until(begun.Add(time.Duration(n+1)*step))) {
			return 0, true
		}
	}
	if c.breaks() {
		return c.broken(w, r)
	}
	return written(w.Write(c.last()))
}

// token is the chunk of one token. The first says who speaks, too.
func (c *call) token(word string, first bool) []byte {
	b := append(c.chunk(), `"choices":[{"index":0,"delta":{`...)
	if first {
		b = append(b, `"role":"assistant",`...)
	}
	b = gjson.AppendJSONString(append(b, `"content":`...), word)
	return append(b, "},\"finish_reason\":null}]}\n\n"...)
}

// last is everything after the tokens.
func (c *call) last() []byte {
	b := append(c.chunk(), "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"...)
	if c.includeUsage {
		b = append(append(b, c.chunk()...), `"choices":[],"usage":`...)
		b = append(c.appendUsage(b), "}\n\n"...)
	}
	return append(b, "data: [DONE]\n\n"...)
}

// chunk is how every chunk begins.
func (c *call) chunk() []byte {
	b := make([]byte, 0, 320)
	b = append(b, `data: {"id":"chatcmpl-sim","object":"chat.completion.chunk","created":`...)
	b = strconv.AppendInt(b, c.at.Unix(), 10)
	return append(append(append(b, `,"model":`...), c.model...), ',')
}
