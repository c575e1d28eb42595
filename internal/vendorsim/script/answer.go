// Package script plays one HTTP answer exactly as it is written down: status, headers, framing, and a body in pieces
// that are sent one after the other.
//
//	answer.go     what an answer is made of, and its JSON
//	headers.go    header values that depend on the time
//	play.go       sends an answer over a connection
//	usage.go      the tokens that an answer bills
//	catalogue.go  answers with a name: cases.json, and the ones that are written in Go beside it
//
// It knows nothing about requests, contracts or faults: package vendorsim decides who gets which answer.
package script

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/textproto"
	"strings"
)

// Answer is one HTTP answer.
type Answer struct {
	Status int `json:"status"` // zero means 200
	// No Content-Type here: none is sent. An empty value sends none.
	Headers  map[string]string `json:"headers,omitempty"`
	Framing  string            `json:"framing,omitempty"`  // chunked, close or length; empty means chunked
	Encoding string            `json:"encoding,omitempty"` // gzip, or empty
	Body     []Piece           `json:"body,omitempty"`
}

// The ways in which a body ends: with the last chunk, with the connection, or after Content-Length bytes.
const (
	Chunked = "chunked"
	Close   = "close"
	Length  = "length"
)

// Piece is one step of a body: a text, or exactly one of the other actions.
type Piece struct {
	Text string // sent and flushed

	Hold   float64 // seconds of silence; the connection stays open
	Reset  bool    // the connection breaks with a TCP reset; nothing follows
	Cut    bool    // the connection closes without the end of the body; nothing follows
	Repeat string  // sent Times times
	Every  float64 // seconds between two of them; zero means none
	Times  int
}

// action is the JSON form of a piece that is not a text.
type action struct {
	Hold   float64 `json:"hold_seconds,omitempty"`
	Reset  bool    `json:"reset,omitempty"`
	Cut    bool    `json:"cut,omitempty"`
	Repeat string  `json:"repeat,omitempty"`
	Every  float64 `json:"every_seconds,omitempty"`
	Times  int     `json:"times,omitempty"`
}

// UnmarshalJSON reads a text or an object such as {"hold_seconds": 30}, {"reset": true}, {"cut": true} or
// {"repeat": ": ping\n\n", "every_seconds": 1, "times": 30}.
func (p *Piece) UnmarshalJSON(b []byte) error {
	if strings.HasPrefix(strings.TrimSpace(string(b)), `"`) {
		*p = Piece{}
		return json.Unmarshal(b, &p.Text)
	}
	var a action
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return fmt.Errorf("a piece of a body: %w", err)
	}
	*p = Piece{Hold: a.Hold, Reset: a.Reset, Cut: a.Cut, Repeat: a.Repeat, Every: a.Every, Times: a.Times}
	return nil
}

// MarshalJSON writes what UnmarshalJSON reads.
func (p Piece) MarshalJSON() ([]byte, error) {
	if a := (action{p.Hold, p.Reset, p.Cut, p.Repeat, p.Every, p.Times}); a != (action{}) {
		return json.Marshal(a)
	}
	return json.Marshal(p.Text)
}

// largest is the most that an answer may send, in bytes.
const largest = 64 << 20

// Validate reports an answer that cannot be played.
func (a *Answer) Validate() error {
	if a.Status != 0 && (a.Status < 200 || a.Status > 599) {
		return fmt.Errorf("status %d is not from 200 to 599", a.Status)
	}
	switch a.Framing {
	case "", Chunked, Close, Length:
	default:
		return fmt.Errorf("framing %q is none of %q", a.Framing, []string{Chunked, Close, Length})
	}
	if a.Encoding != "" && a.Encoding != "gzip" {
		return fmt.Errorf("encoding %q is not gzip", a.Encoding)
	}
	for name, value := range a.Headers {
		if textproto.TrimString(name) != name || name == "" || strings.ContainsAny(name+value, "\r\n\x00") {
			return fmt.Errorf("header %q: %q cannot be sent", name, value)
		}
		if _, err := stamp(value, moment); err != nil {
			return fmt.Errorf("header %q: %w", name, err)
		}
	}
	size := 0
	for _, p := range a.Body {
		if !seconds(p.Hold) || !seconds(p.Every) || p.Times < 0 {
			return errors.New("a hold or a repeat must be from zero to a day, and times must not be negative")
		}
		if p.Times > 0 && len(p.Repeat) > largest/p.Times {
			return fmt.Errorf("a repeat may send %d bytes in all", largest)
		}
		size += len(p.Text) + len(p.Repeat)*p.Times
	}
	if size > largest {
		return fmt.Errorf("an answer may have %d bytes", largest)
	}
	return nil
}

// seconds reports whether s is a time to wait.
func seconds(s float64) bool { return s >= 0 && s <= 86400 && !math.IsNaN(s) }
