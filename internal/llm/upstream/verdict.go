package upstream

import (
	"context"
	"errors"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// verdict turns the error of an exchange into the error by which the layers above decide. It must be called before w is
// stopped.
func verdict(w *watch, call *llm.Call, err error) (_ error, clientGone bool) {
	if w.requestEnded() { // this says nothing about the vendor
		cause := context.Cause(w.request)
		return cause, !errors.Is(cause, context.DeadlineExceeded)
	}
	if gone, ok := errors.AsType[*sinkError](err); ok {
		return gone.err, true
	}
	if own, ok := errors.AsType[*outcome.Rejected](err); ok {
		// This pod had no memory for the answer, or could not send the request. This too says nothing about the vendor.
		return own, false
	}
	failed, ok := errors.AsType[*llm.VendorError](err)
	if !ok {
		failed = &llm.VendorError{Kind: llm.KindConnection, Err: err}
		if isTimeout(err) {
			failed.Kind = llm.KindTimeout
		}
		if cause := context.Cause(w.ctx); cause != nil {
			failed.Kind, failed.Err = limitKind(cause), cause
		}
	}
	failed.Attempts, failed.Streamed = call.Attempts, w.streamed
	return failed, false
}

// limitKind is the kind of failure when one of our limits has ended an exchange.
func limitKind(cause error) llm.Kind {
	switch {
	case errors.Is(cause, llm.ErrStreamIdle):
		return llm.KindIdle
	case errors.Is(cause, llm.ErrStreamMax):
		return llm.KindLength
	}
	return llm.KindTimeout
}

// isTimeout reports whether err is a timeout of the network: a dial, TLS or response-header limit.
func isTimeout(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout()
}
