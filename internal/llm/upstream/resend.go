package upstream

import (
	"errors"
	"io"
	"sync/atomic"

	"github.com/spillway-dev/spillway/internal/llm"
)

// errHandedBack is the error of a request that the vendor has handed back twice.
var errHandedBack = errors.New("the vendor handed the request back twice without looking at it")

// resend lets net/http send a body once more when no server has looked at the request: vendors close a connection after
// about a thousand requests (GOAWAY), and hand back the requests that have just come. That is no failure and no
// attempt, and costs neither quota nor retry budget. It is done once: a vendor may also hand back requests because it
// is overloaded. Then the retry decides, and waits without a slot.
type resend struct {
	body [][]byte
	hold llm.Holder
	// Set when the second sending begins; net/http may ask for the body again before it has a connection.
	read atomic.Bool
}

// open returns the body for the second sending; it is the GetBody of a request.
func (r *resend) open() (io.ReadCloser, error) {
	if r.read.Load() {
		return nil, errHandedBack
	}
	return &resent{readingOf(r.body, r.hold), r}, nil
}

type resent struct {
	io.ReadCloser

	of *resend
}

func (r *resent) Read(p []byte) (int, error) {
	r.of.read.Store(true)
	return r.ReadCloser.Read(p)
}
