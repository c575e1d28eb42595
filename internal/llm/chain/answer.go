package chain

import (
	"errors"
	"net/http"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// answer is what came of a call in one lane.
type answer struct {
	lane string
	resp *llm.Response
	err  error
}

// mendable returns the reason why another vendor may do better, "" when there is none. The reasons are the values of a
// metric's label.
func (a answer) mendable(call *llm.Call) string {
	if a.err == nil {
		return mendableRefusal(a.resp)
	}
	if failed, ok := errors.AsType[*llm.VendorError](a.err); ok {
		if failed.OwnLimit() { // another vendor's answer would be as long
			return ""
		}
		return string(failed.Kind)
	}
	rejected, ok := errors.AsType[*outcome.Rejected](a.err)
	switch {
	case !ok:
		return ""
	case rejected.Reason == outcome.VendorUnavailable, rejected.Reason == outcome.PayloadTooLarge:
		return string(rejected.Reason)
	case laneIsFull(rejected) && !call.Background: // a background call waits for its own lane
		return string(rejected.Reason)
	}
	return ""
}

// laneIsFull reports whether the lane has no room now: by its contract, its pacer or its share of the slots. The slots
// of the pod are not among them: a call would wait for them in another lane too.
func laneIsFull(rejected *outcome.Rejected) bool {
	ownGate := rejected.Layer == "pacer" || rejected.Layer == "share"
	return rejected.Reason == outcome.VendorRateLimited || rejected.Reason == outcome.QueueTimeout && ownGate
}

// better is the answer that says more to the client: a success, else the vendor's own answer, else how a vendor failed,
// else that a gate was closed. Of two alike it is the first. A 404 of the second one says nothing: that vendor may not
// know the model, which the client has not chosen. The other answer is closed.
func better(first, second answer) answer {
	if first.lane == "" {
		return second
	}
	unknown := second.weight() == ownAnswer && second.resp.Status == http.StatusNotFound
	if second.weight() > first.weight() && !unknown {
		first.resp.Close()
		return second
	}
	second.resp.Close()
	first.err = withShorterWait(first.err, retryAfter(second.err))
	return first
}

// The weights of answers.
const (
	gateClosed = iota
	vendorFailed
	ownAnswer
	success
)

func (a answer) weight() int {
	switch _, failed := errors.AsType[*llm.VendorError](a.err); {
	case a.err == nil && a.resp.Status < http.StatusBadRequest:
		return success
	case a.err == nil:
		return ownAnswer
	case failed, !isRejected(a.err):
		return vendorFailed
	}
	return gateClosed
}

func isRejected(err error) bool {
	_, ok := errors.AsType[*outcome.Rejected](err)
	return ok
}
