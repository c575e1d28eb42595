package upstream

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/spillway-dev/spillway/internal/llm"
)

func readEvents(r io.Reader) (got []string, err error) {
	e := newEventReader(r, 1<<20)
	defer e.free()
	for {
		raw, err := e.next()
		if err != nil {
			return got, err
		}
		got = append(got, string(raw))
	}
}

func TestEventsAreCutAtBlankLines(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		in   string
		want []string
		err  error
	}{
		"lf":                              {"data: a\n\ndata: b\n\n", []string{"data: a\n\n", "data: b\n\n"}, io.EOF},
		"crlf":                            {"data: a\r\n\r\n", []string{"data: a\r\n\r\n"}, io.EOF},
		"many lines":                      {"event: x\ndata: 1\ndata: 2\n\n", []string{"event: x\ndata: 1\ndata: 2\n\n"}, io.EOF},
		"comment":                         {": ping\n\n", []string{": ping\n\n"}, io.EOF},
		"blank lines first":               {"\n\n\ndata: a\n\n", []string{"data: a\n\n"}, io.EOF},
		"cut in an event":                 {"data: a\n\ndata: b\n", []string{"data: a\n\n"}, io.ErrUnexpectedEOF},
		"cut in a line":                   {"data: a", nil, io.ErrUnexpectedEOF},
		"the end without its line ending": {"data: a\n\ndata: [DONE]", []string{"data: a\n\n", "data: [DONE]\n\n"}, io.EOF},
		"the end without its blank line":  {"data: [DONE]\r\n", []string{"data: [DONE]\n\n"}, io.EOF},
		"nothing":                         {"", nil, io.EOF},
		"longer than the buffer":          {"data: " + strings.Repeat("x", 20<<10) + "\n\n", []string{"data: " + strings.Repeat("x", 20<<10) + "\n\n"}, io.EOF},
		"too large":                       {"data: " + strings.Repeat("x", 1<<20) + "\n\n", nil, errEventTooLarge},
	} {
		for _, r := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in))} {
			got, err := readEvents(r)
			if !slices.Equal(got, tt.want) || !errors.Is(err, tt.err) {
				t.Errorf("%s: got %.80q, %v; want %.80q, %v", name, got, err, tt.want, tt.err)
			}
		}
	}
}

func TestStreamVerdict(t *testing.T) {
	t.Parallel()
	chunk := `data: {"object":"chat.completion.chunk"}` + "\n\n"
	for name, tt := range map[string]struct {
		events         []string
		err            error
		closeDelimited bool
		whole          bool
	}{
		"openai whole":                {[]string{chunk, "data: [DONE]\n\n"}, io.EOF, false, true},
		"openai reset after the end":  {[]string{chunk, "data: [DONE]\n\n"}, io.ErrUnexpectedEOF, false, true},
		"openai clean end, no [DONE]": {[]string{chunk}, io.EOF, false, false},
		"openai cut":                  {[]string{chunk}, io.ErrUnexpectedEOF, false, false},
		"openai cut after a comment":  {[]string{": processing\n\n", chunk}, io.EOF, false, false},
		"azure cut":                   {[]string{`data: {"object":"","prompt_filter_results":[]}` + "\n\n", chunk}, io.EOF, false, false},
		"openai with event lines":     {[]string{"event: message\n" + chunk, "event: message\ndata: [DONE]\n\n"}, io.EOF, true, true},
		"responses whole":             {[]string{"event: response.created\ndata: {}\n\n", "event: response.completed\ndata: {}\n\n"}, io.EOF, true, true},
		"responses cut":               {[]string{"event: response.created\ndata: {}\n\n"}, io.EOF, false, false},
		"anthropic cut after a ping":  {[]string{"event: ping\ndata: {}\n\n", "event: message_start\ndata: {}\n\n"}, io.EOF, false, false},
		"anthropic whole":             {[]string{"event: message_start\ndata: {}\n\n", "event: message_stop\ndata: {}\n\n"}, io.EOF, true, true},
		"anthropic cut":               {[]string{"event: message_start\ndata: {}\n\n"}, io.EOF, false, false},
		"other dialect, framed":       {[]string{"data: x\n\n"}, io.EOF, false, true},
		"other dialect, cannot tell":  {[]string{"data: x\n\n"}, io.EOF, true, false},
		"no event at all":             {nil, io.EOF, false, false},
	} {
		var m streamMeter
		for _, e := range tt.events {
			m.add([]byte(e))
		}
		if err := m.verdict(tt.err, tt.closeDelimited); (err == nil) != tt.whole {
			t.Errorf("%s: got %v, want whole=%v", name, err, tt.whole)
		}
	}
}

func TestStreamUsage(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		events []string
		want   llm.Usage
	}{
		"said by openai":    {[]string{"data: {\"x\":1}\n\n", "data: {\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":9}}\n\n", "data: [DONE]\n\n"}, llm.Usage{Prompt: 7, Completion: 9}},
		"null usage":        {[]string{"data: {\"usage\":null}\n\n", "data: [DONE]\n\n"}, llm.Usage{Prompt: 0, Completion: 1}},
		"said by anthropic": {[]string{"event: message_start\ndata: {\"message\":{\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n", "event: message_delta\ndata: {\"usage\":{\"output_tokens\":40}}\n\n", "event: message_stop\ndata: {}\n\n"}, llm.Usage{Prompt: 5, Completion: 40}},
		"cut: chunks count": {[]string{"data: {}\n\n", ": ping\n\n", "data: {}\n\n"}, llm.Usage{Prompt: 0, Completion: 2}},
		"nonsense":          {[]string{"data: {\"usage\":{\"prompt_tokens\":-4,\"completion_tokens\":1e40}}\n\n", "data: [DONE]\n\n"}, llm.Usage{Prompt: 0, Completion: 1}},
	} {
		var m streamMeter
		for _, e := range tt.events {
			m.add([]byte(e))
		}
		if got := m.usage(); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
	}
}

// However the bytes arrive, every event comes out whole and none is invented.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("data: a\n\ndata: b\r\n\r\n: c\n\n"))
	f.Add([]byte("\n\r\n\rdata"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		all, err := readEvents(bytes.NewReader(stream))
		slow, slowErr := readEvents(iotest.OneByteReader(bytes.NewReader(stream)))
		if !slices.Equal(all, slow) || err.Error() != slowErr.Error() {
			t.Fatalf("at once %q (%v), byte by byte %q (%v)", all, err, slow, slowErr)
		}
		var m streamMeter
		for _, e := range all {
			if !bytes.Contains(stream, []byte(e)) || !strings.HasSuffix(e, "\n") {
				t.Fatalf("event %q is not in the stream", e)
			}
			m.add([]byte(e))
		}
		if u := m.usage(); u.Prompt < 0 || u.Completion < 0 {
			t.Fatalf("usage %+v", u)
		}
	})
}
