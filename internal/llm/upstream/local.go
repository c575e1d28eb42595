package upstream

import (
	"errors"
	"strings"
	"syscall"
	"time"

	"github.com/spillway-dev/spillway/internal/outcome"
)

// notSent returns a rejection when an error of net/http arose in this pod before anything was sent: the request cannot
// be sent to this vendor, or the pod cannot open a connection. Such an error says nothing about the vendor. It returns
// nil for all other errors.
func notSent(err error) *outcome.Rejected {
	switch text := err.Error(); {
	case strings.Contains(text, "request header list larger than peer's advertised limit"),
		strings.Contains(text, "net/http: invalid header field"):
		return &outcome.Rejected{
			Layer: "vendor", Reason: outcome.HeaderTooLong, Err: err,
			Detail: "The vendor does not take the headers of this request. Send fewer or shorter ones.",
		}
	case isAnyOf(err, syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM):
		return &outcome.Rejected{Layer: "vendor", Reason: outcome.Overloaded, RetryAfter: time.Second, Err: err}
	}
	return nil
}

func isAnyOf(err error, targets ...syscall.Errno) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}
