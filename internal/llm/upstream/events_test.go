package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/spillway-dev/spillway/internal/llm"
)

// readEvents returns the events of a stream as they would be passed on, one by one, and what each says.
func readEvents(r io.Reader) (raw, said []string, rest string, err error) {
	e := newEventReader(r, newBuffer(context.Background(), nil), 1<<20)
	defer e.free()
	for {
		for one, ok := e.next(); ok; one, ok = e.next() {
			raw = append(raw, string(e.take()))
			said = append(said, string(one.name)+"|"+string(one.data))
		}
		if err = e.fill(); err != nil {
			last := e.rest()
			return raw, said, string(last.name) + "|" + string(last.data), err
		}
	}
}

func TestEventsAreCutAtEmptyLines(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		in   string
		raw  []string
		said []string
		rest string
		err  error
	}{
		"LF": {"data: a\n\ndata: b\n\n", []string{"data: a\n\n", "data: b\n\n"},
			[]string{"|a", "|b"}, "|", io.EOF},
		"CRLF": {"data: a\r\n\r\ndata: b\r\n\r\n", nil, []string{"|a", "|b"}, "|", io.EOF},
		"CR": {"data: a\r\rdata: b\r\r", []string{"data: a\r\r", "data: b\r\r"},
			[]string{"|a", "|b"}, "|", io.EOF},
		"mixed": {"event: x\rdata: a\r\n\rdata: b\n\r", nil, []string{"x|a", "|b"}, "|", io.EOF},
		"no space": {"event:x\ndata:1\n\n", []string{"event:x\ndata:1\n\n"}, []string{"x|1"}, "|",
			io.EOF},
		"two spaces": {"data:  1\n\n", []string{"data:  1\n\n"}, []string{"| 1"}, "|", io.EOF},
		"several lines": {"data: 1\ndata: 2\ndata\n\n", []string{"data: 1\ndata: 2\ndata\n\n"},
			[]string{"|1\n2\n"}, "|", io.EOF},
		"comment": {": ping\n\n", []string{": ping\n\n"}, []string{"|"}, "|", io.EOF},
		"fields that are unknown": {"id: 7\nretry: 1\nfoo\n\n", []string{"id: 7\nretry: 1\nfoo\n\n"}, []string{"|"},
			"|", io.EOF},
		"empty lines first": {"\n\n\ndata: a\n\n", []string{"\n\n\ndata: a\n\n"}, []string{"|a"}, "|", io.EOF},
		"byte order mark": {"\ufeffdata: a\n\ndata: b\n\n", []string{"\ufeffdata: a\n\n", "data: b\n\n"},
			[]string{"|a", "|b"}, "|", io.EOF},
		"last without empty line": {"data: a\n\nevent: e\ndata: b\n", []string{"data: a\n\n"}, []string{"|a"}, "e|b",
			io.EOF},
		"last without line end": {"data: a\n\ndata: b", []string{"data: a\n\n"}, []string{"|a"}, "|b", io.EOF},
		"nothing":               {"", nil, nil, "|", io.EOF},
		"longer than the buffer": {"data: " + strings.Repeat("x", 20<<10) + "\n\n", nil,
			[]string{"|" + strings.Repeat("x", 20<<10)}, "|", io.EOF},
		"too large": {"data: " + strings.Repeat("x", 3<<20) + "\n\n", nil, nil, "", errEventTooLarge},
	} {
		for _, r := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in))} {
			raw, said, rest, err := readEvents(r)
			if !slices.Equal(said, tt.said) || tt.raw != nil && !slices.Equal(raw, tt.raw) || !errors.Is(err, tt.err) {
				t.Errorf("%s: got %.80q that say %.80q, %v; want %.80q, %.80q, %v", name, raw, said, err, tt.raw,
					tt.said, tt.err)
			}
			if tt.rest != "" && rest != tt.rest {
				t.Errorf("%s: the rest says %q, want %q", name, rest, tt.rest)
			}
		}
	}
}

// TestEventsThatAreHeldBackTakeNoCopy: what was cut and not taken stays in one piece while more is read.
func TestEventsThatAreHeldBackTakeNoCopy(t *testing.T) {
	t.Parallel()
	in := strings.Repeat("data: held back\n\n", 1000)
	e := newEventReader(iotest.HalfReader(strings.NewReader(in)), newBuffer(t.Context(), nil), 1<<20)
	defer e.free()
	for {
		for _, ok := e.next(); ok; _, ok = e.next() {
		}
		if e.fill() != nil {
			break
		}
	}
	if got := string(e.take()); got != in {
		t.Errorf("got %d bytes, want %d", len(got), len(in))
	}
}

const (
	roleChunk = `data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n"
	hiChunk   = `data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}` + "\n\n"
	stopChunk = `data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` +
		"\n\n"
	usageChunk = `data: {"object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":9}}` + "\n\n"
	doneEvent  = "data: [DONE]\n\n"
)

func secondChoice(event string) string {
	return strings.ReplaceAll(event, `"index":0`, `"index":1`)
}

// metered is a meter that has seen these events.
func metered(events ...string) *meter {
	m := newMeter()
	for _, e := range events {
		_, _ = m.add(parseEvent([]byte(e)))
	}
	return m
}

func TestHowStreamsEnd(t *testing.T) {
	t.Parallel()
	created, delta := "event: response.created\ndata: {}\n\n",
		"event: response.output_text.delta\ndata: {\"delta\":\"Hi\"}\n\n"
	for name, tt := range map[string]struct {
		events         []string
		err            error
		closeDelimited bool
		whole          bool
	}{
		"whole":                       {[]string{hiChunk, doneEvent}, io.EOF, false, true},
		"reset after the last event":  {[]string{hiChunk, doneEvent}, io.ErrUnexpectedEOF, false, true},
		"closed after the last event": {[]string{hiChunk, doneEvent}, io.EOF, true, true},
		"finish_reason, no [DONE]":    {[]string{hiChunk, stopChunk}, io.EOF, false, true},
		"finish_reason, then usage":   {[]string{hiChunk, stopChunk, usageChunk}, io.EOF, false, true},
		"finish_reason, then a chunk": {[]string{hiChunk, stopChunk, roleChunk}, io.EOF, false, true},
		"finish_reason, closed":       {[]string{hiChunk, stopChunk}, io.EOF, true, false},
		"finish_reason, reset":        {[]string{hiChunk, stopChunk}, io.ErrUnexpectedEOF, false, false},
		"no finish_reason":            {[]string{hiChunk}, io.EOF, false, false},
		"one of two choices":          {[]string{hiChunk, secondChoice(hiChunk), stopChunk}, io.EOF, false, false},
		"both choices": {[]string{hiChunk, secondChoice(hiChunk), secondChoice(stopChunk), stopChunk},
			io.EOF, false, true},
		"cut after a comment": {[]string{": processing\n\n", hiChunk}, io.EOF, false, false},
		"Azure's filter, then cut": {[]string{`data: {"object":"","choices":[],"prompt_filter_results":[]}` +
			"\n\n", hiChunk}, io.EOF, false, false},
		"named events": {[]string{"event: message\n" + hiChunk, "event: message\n" + doneEvent},
			io.EOF, true, true},
		"Responses whole": {[]string{created, delta, "event: response.completed\ndata: {}\n\n"}, io.EOF,
			true, true},
		"Responses without event fields": {[]string{`data: {"type":"response.created"}` + "\n\n",
			`data: {"type":"response.incomplete"}` + "\n\n"}, io.EOF, true, true},
		"Responses cut": {[]string{created, delta}, io.EOF, false, false},
		"Anthropic whole": {[]string{"event: message_start\ndata: {}\n\n",
			"event: message_stop\ndata: {}\n\n"}, io.EOF, true, true},
		"Anthropic cut": {[]string{"event: ping\ndata: {}\n\n", "event: message_start\ndata: {}\n\n"},
			io.EOF, false, false},
		"another dialect":         {[]string{"data: x\n\n"}, io.EOF, false, true},
		"another dialect, closed": {[]string{"data: x\n\n"}, io.EOF, true, false},
		"comments only":           {[]string{": x\n\n"}, io.EOF, false, false},
		"no event at all":         {nil, io.EOF, false, false},
	} {
		if err := metered(tt.events...).verdict(tt.err, tt.closeDelimited); (err == nil) != tt.whole {
			t.Errorf("%s: got %v, want whole=%v", name, err, tt.whole)
		}
	}
}

// TestWhatIsSomethingToShow: after these events a client has nothing of an answer to show.
func TestWhatIsSomethingToShow(t *testing.T) {
	t.Parallel()
	for event, shown := range map[string]bool{
		": comment\n\n":                  false,
		"event: x\n\n":                   false,
		roleChunk:                        false,
		hiChunk:                          true,
		stopChunk:                        true,
		doneEvent:                        true,
		"data: text\n\n":                 true,
		"data:\n\n":                      false,
		"event: x\ndata: \n\n":           false,
		"event: message_stop\ndata:\n\n": true,
		`data: {"type":"keepalive","sequence_number":3}` + "\n\n": false,
		"data: {\"a\":1}\n\n":           true,
		`data: {"choices":[]}` + "\n\n": false,
		`data: {"choices":[{"delta":{"role":"assistant","content":null,"tool_calls":null}}]}` + "\n\n": false,
		"event: message\n" + roleChunk:                                                                          false,
		`data: {"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}` + "\n\n":                                   true,
		`data: {"choices":[{"delta":{"refusal":"No."}}]}` + "\n\n":                                              true,
		`data: {"choices":[{"delta":{"reasoning_content":"Hm"}}]}` + "\n\n":                                     true,
		`data: {"choices":[{"text":""}]}` + "\n\n":                                                              false,
		`data: {"choices":[{"text":"Hi"}]}` + "\n\n":                                                            true,
		`data: {"type":"message_start","message":{}}` + "\n\n":                                                  false,
		`data: {"type":"ping"}` + "\n\n":                                                                        false,
		`data: {"type":"content_block_start","content_block":{"type":"text","text":""}}` + "\n\n":               false,
		`data: {"type":"content_block_start","content_block":{"type":"tool_use","id":"t","input":{}}}` + "\n\n": true,
		`data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"Hi"}}` + "\n\n":               true,
		`data: {"type":"response.created","response":{"error":null}}` + "\n\n":                                  false,
		`data: {"type":"response.output_item.added"}` + "\n\n":                                                  false,
		`data: {"type":"response.output_text.delta","delta":"Hi"}` + "\n\n":                                     true,
	} {
		if m := metered(event); m.shown != shown {
			t.Errorf("%q: something to show: %v, want %v", event, m.shown, shown)
		}
	}
}

func TestStreamUsage(t *testing.T) {
	t.Parallel()
	long := strings.Replace(hiChunk, "Hi", strings.Repeat("word ", 160), 1)
	for name, tt := range map[string]struct {
		events []string
		want   llm.Usage
	}{
		"said by OpenAI": {[]string{hiChunk, usageChunk, doneEvent}, llm.Usage{Prompt: 7, Completion: 9}},
		"null":           {[]string{`data: {"usage":null}` + "\n\n", doneEvent}, llm.Usage{Completion: 1}},
		"said by Anthropic": {[]string{
			"event: message_start\ndata: {\"message\":{\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n",
			"event: message_delta\ndata: {\"usage\":{\"output_tokens\":40}}\n\n",
			"event: message_stop\ndata: {}\n\n"},
			llm.Usage{Prompt: 5, Completion: 40}},
		"said by Responses": {[]string{`data: {"type":"response.completed","response":{"usage":{"input_tokens":5,"output_tokens":40,"output_tokens_details":{"reasoning_tokens":32}}}}` + "\n\n"}, llm.Usage{Prompt: 5, Completion: 40}},
		"hidden reasoning":  {[]string{`data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":1530}}` + "\n\n", doneEvent}, llm.Usage{Prompt: 10, Completion: 1520}},
		"large chunks":      {[]string{long, long, long, doneEvent}, llm.Usage{Completion: 600}},
		"cut":               {[]string{hiChunk, ": ping\n\n", hiChunk}, llm.Usage{Completion: 2}},
		"kept alive": {[]string{hiChunk, `data: {"type":"keepalive"}` + "\n\n", "data:\n\n",
			"event: ping\ndata: {}\n\n", doneEvent}, llm.Usage{Completion: 1}},
		"less than came": {[]string{long, usageChunk}, llm.Usage{Prompt: 7, Completion: 201}},
		"nonsense": {[]string{`data: {"usage":{"prompt_tokens":-4,"completion_tokens":1e40}}` + "\n\n",
			doneEvent}, llm.Usage{Completion: 1}},
		"tool call": {[]string{`data: {"choices":[{"index":0,"delta":{"tool_calls":[{"function":{"arguments":"` + strings.Repeat("x", 400) + `"}}]}}]}` + "\n\n", doneEvent}, llm.Usage{Completion: 108}},
	} {
		m := metered(tt.events...)
		if got := m.usage(m.last); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
	}
}

// In whatever pieces the bytes arrive, every event is read whole, and no byte is lost before the last event.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("data: a\n\ndata: b\r\n\r\n: c\n\n"))
	f.Add([]byte("\n\r\n\rdata"))
	f.Add([]byte("\ufeffevent:x\rdata:1\rdata:2\r\r"))
	f.Add([]byte(roleChunk + hiChunk + stopChunk + usageChunk + doneEvent))
	f.Fuzz(func(t *testing.T, stream []byte) {
		raw, said, rest, err := readEvents(bytes.NewReader(stream))
		slowRaw, slow, slowRest, slowErr := readEvents(iotest.OneByteReader(bytes.NewReader(stream)))
		if !slices.Equal(said, slow) || rest != slowRest || err.Error() != slowErr.Error() {
			t.Fatalf("at once %q (%q, %v), byte by byte %q (%q, %v)", said, rest, err, slow, slowRest, slowErr)
		}
		for _, all := range [][]string{raw, slowRaw} {
			if !strings.HasPrefix(string(stream), strings.Join(all, "")) {
				t.Fatalf("%q is not how %q begins", all, stream)
			}
		}
		m := metered(raw...)
		if u := m.usage(false); u.Prompt < 0 || u.Completion < 0 {
			t.Fatalf("usage %+v", u)
		}
	})
}

// A usage is never negative or absurd, whatever the vendor says.
func FuzzUsage(f *testing.F) {
	f.Add([]byte(`{"usage":{"prompt_tokens":7,"completion_tokens":9,"total_tokens":1e9}}`))
	f.Add([]byte(`{"usage":{"input_tokens":-7,"cache_creation_input_tokens":1073741823,"output_tokens":NaN}}`))
	f.Add([]byte(`{"error":{"code":"x","message":"m","details":[{"retryDelay":"9h"}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		d, u, err := readAnswer(body)
		if u.Prompt < 0 || u.Completion < 0 || u.Prompt > 3*most || u.Completion > 3*most {
			t.Fatalf("usage %+v", u)
		}
		if err == nil && d.found {
			if s := d.status(); s < 400 || s > 599 {
				t.Fatalf("an error with status %d", s)
			}
		}
	})
}
