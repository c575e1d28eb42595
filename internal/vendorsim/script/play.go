package script

import (
	"cmp"
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Play sends the answer. It returns the status, or zero when the answer breaks the connection off, and whether the
// client left before the end. To cut the connection it panics with http.ErrAbortHandler, as a handler does.
func (a *Answer) Play(w http.ResponseWriter, r *http.Request) (status int, cancelled bool) {
	status = cmp.Or(a.Status, http.StatusOK)
	body, err := a.pieces()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return http.StatusInternalServerError, false
	}
	a.head(w.Header(), body)
	w.WriteHeader(status)
	rc := http.NewResponseController(w)
	if a.Framing != Length {
		_ = rc.Flush() // else net/http gives an empty body a length
	}
	for _, p := range body {
		switch {
		case p.Reset:
			_ = rc.Flush()
			Reset(w)
			return 0, false
		case p.Cut:
			_ = rc.Flush()
			panic(http.ErrAbortHandler)
		case p.Hold > 0:
			if rc.Flush() != nil || !Pause(r, asDuration(p.Hold)) {
				return 0, true
			}
		case p.Times > 0:
			if !repeat(w, r, p) {
				return 0, true
			}
		default:
			if !send(w, rc, p.Text) {
				return 0, true
			}
		}
	}
	return status, false
}

// head sets the headers.
func (a *Answer) head(h http.Header, body []Piece) {
	now := time.Now()
	h["Content-Type"] = nil // net/http would guess one
	for name, value := range a.Headers {
		value, _ = stamp(value, now) // Validate has seen it
		h.Set(name, value)
		if value == "" {
			h[http.CanonicalHeaderKey(name)] = nil
		}
	}
	if a.Encoding != "" {
		h.Set("Content-Encoding", a.Encoding)
	}
	if a.Framing == Length && h.Get("Content-Length") == "" {
		h.Set("Content-Length", strconv.Itoa(bodySize(body)))
	}
	if a.Framing == Close {
		h["Transfer-Encoding"] = []string{"identity"} // net/http takes it as: end the body with the connection
	}
}

// bodySize is the length of a body in bytes.
func bodySize(body []Piece) (n int) {
	for _, p := range body {
		n += len(p.Text) + len(p.Repeat)*p.Times
	}
	return n
}

// send writes a text and flushes it, and reports false when the client left.
func send(w io.Writer, rc *http.ResponseController, text string) bool {
	if text == "" {
		return rc.Flush() == nil
	}
	_, err := io.WriteString(w, text)
	return err == nil && rc.Flush() == nil
}

// repeat sends a text again and again, and reports false when the client left.
func repeat(w http.ResponseWriter, r *http.Request, p Piece) bool {
	rc := http.NewResponseController(w)
	for i := range p.Times {
		if i > 0 && !Pause(r, asDuration(p.Every)) {
			return false
		}
		if p.Every == 0 { // as one text
			if _, err := io.WriteString(w, p.Repeat); err != nil {
				return false
			}
		} else if !send(w, rc, p.Repeat) {
			return false
		}
	}
	return rc.Flush() == nil
}

// pieces is the body as it is sent: with an encoding, what each text becomes.
func (a *Answer) pieces() ([]Piece, error) {
	if a.Encoding == "" {
		return a.Body, nil
	}
	var out chunk
	zip := gzip.NewWriter(&out)
	coded := make([]Piece, 0, len(a.Body)+1)
	for _, p := range a.Body {
		if p.Reset || p.Cut || p.Hold > 0 {
			coded = append(coded, p)
			continue
		}
		for range max(1, p.Times) {
			if _, err := io.WriteString(zip, p.Text+p.Repeat); err != nil {
				return nil, err
			}
		}
		if err := zip.Flush(); err != nil {
			return nil, err
		}
		coded = append(coded, Piece{Text: out.take()})
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	return append(coded, Piece{Text: out.take()}), nil
}

// chunk collects what a writer writes until it is taken.
type chunk struct{ b []byte }

func (c *chunk) Write(b []byte) (int, error) { c.b = append(c.b, b...); return len(b), nil }

func (c *chunk) take() string { s := string(c.b); c.b = c.b[:0]; return s }

func asDuration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
