package upstream

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"

	"github.com/spillway-dev/spillway/internal/jsonscan"
	"github.com/spillway-dev/spillway/internal/llm"
)

// meter follows a stream, event by event, for what the layers need to know: whether there is something to show, whether
// the vendor says that it failed, whether the stream is at its end, and what it used.
type meter struct {
	said  usageCount // what the vendor says about usage
	seen  int        // tokens of the content that came, estimated
	data  bool       // an event with data came
	shown bool       // there is something to show
	last  bool       // the last event came

	announced bool          // the stream speaks a dialect that shows its end
	choices   []choiceState // by index
	ended     int           // how often a choice ended

	visitor func(jsonscan.Member) // made once, so that an event costs no allocation for it
	chunk   chunk
}

func newMeter() *meter {
	m := &meter{}
	m.chunk.opens, m.chunk.ends = m.opens, m.ends
	m.visitor = m.chunk.add
	return m
}

// lastEvents are the types of the events, and the data without a type, with which the streams of all endpoints end.
var lastEvents = func() (all []string) {
	for _, e := range llm.Endpoints {
		for _, name := range e.Dialect.LastEvents {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all
}()

func isLast(name []byte) bool {
	return slices.Contains(lastEvents, string(name))
}

var (
	usageName  = []byte(`"usage"`)
	errBroken  = errors.New("an event whose data is broken JSON")
	errNothing = errors.New("an event stream without content")
)

// add reads one event. failure is the error that the event carries. err is the error of data that is broken JSON, in a
// stream that has shown nothing yet.
func (m *meter) add(e event) (failure *errorDocument, err error) {
	if e.data == nil {
		return nil, nil // a comment, which keeps the connection alive
	}
	data := bytes.TrimSpace(e.data)
	m.data = m.data || len(data) > 0
	if isLast(data) {
		m.last, m.shown = true, true
		return nil, nil
	}
	ended := m.ended
	err = m.read(data)
	name := e.name
	if len(m.chunk.kind) > 0 {
		name = m.chunk.kind
	}
	idle := len(data) == 0 || keepsAlive(name)
	if !idle {
		m.seen += max(1, (m.chunk.text+3)/4)
	}
	if d := errorIn(name, data); d != nil {
		return d, nil
	}
	if err != nil && len(data) > 0 && (data[0] == '{' || data[0] == '[') {
		if m.shown {
			err = nil // the client has a part of the answer already, and decides itself
		}
		return nil, err
	}
	m.last = m.last || isLast(name)
	m.announced = m.announced || m.announces(name)
	m.shown = m.shown || m.last || !idle && m.chunk.shows(name, m.ended > ended)
	return nil, nil
}

// keepsAlive reports whether an event of this name does nothing but keep the connection alive, as Anthropic's and
// OpenAI's do.
func keepsAlive(name []byte) bool { return string(name) == "ping" || string(name) == "keepalive" }

// read reads the data of an event.
func (m *meter) read(data []byte) error {
	m.chunk = chunk{opens: m.chunk.opens, ends: m.chunk.ends}
	if bytes.Contains(data, usageName) {
		m.chunk.usage = m.said.add
	}
	scanner := jsonscan.Scanner{Depth: chunkDepth, Visit: m.visitor}
	err := scanner.Scan(data)
	if err == nil {
		return nil
	}
	if plain, odd := withoutOddNumbers(data); odd && jsonscan.Valid(plain) {
		return scanner.Scan(plain)
	}
	return &llm.VendorError{Kind: llm.KindBadContent, Status: http.StatusOK, Err: errBroken}
}

// announces reports whether the event belongs to a dialect whose streams show their end.
func (m *meter) announces(name []byte) bool {
	return m.chunk.hasChoices || string(m.chunk.object) == "chat.completion.chunk" ||
		string(name) == "message_start" || bytes.HasPrefix(name, []byte("response."))
}

// choiceState is how far a choice has come.
type choiceState byte

const (
	choiceUnknown choiceState = iota
	choiceOpen
	choiceEnded
)

// mostChoices bounds the choices of a stream that are remembered.
const mostChoices = 1 << 12

func (m *meter) opens(index int) { m.advance(index, choiceOpen) }

func (m *meter) ends(index int) {
	m.ended++
	m.advance(index, choiceEnded)
}

// advance brings a choice to a state, and never back to an earlier one.
func (m *meter) advance(index int, to choiceState) {
	if index < 0 || index >= mostChoices {
		return
	}
	for len(m.choices) <= index {
		m.choices = append(m.choices, choiceUnknown)
	}
	m.choices[index] = max(m.choices[index], to)
}

// verdict returns nil when a stream that ended with err is whole. After its last event it is, whatever came then.
// Otherwise the body must have ended without an error, in a protocol that shows a cut. And a dialect that shows its end
// must have shown it: each choice must have ended.
func (m *meter) verdict(err error, closeDelimited bool) error {
	switch {
	case m.last:
		return nil
	case !errors.Is(err, io.EOF):
		return err
	case !m.data:
		return &llm.VendorError{Kind: llm.KindBadContent, Status: http.StatusOK, Err: errNothing}
	case closeDelimited, m.announced && (m.ended == 0 || slices.Contains(m.choices, choiceOpen)):
		return errCut
	}
	return nil
}

// usage is what the stream used. When the vendor did not say, or the stream is not whole, it is at least what came: a
// quarter of the bytes of the content, and one token for each event.
func (m *meter) usage(whole bool) llm.Usage {
	u := m.said.usage()
	if !whole || u.Completion == 0 {
		u.Completion = max(u.Completion, m.seen)
	}
	return u
}
