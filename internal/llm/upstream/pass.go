package upstream

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// neverPassed are the headers that must not go on from a client to a vendor: those of the connection, credentials, and
// those that this service sends itself. Names that begin with X-Forwarded are refused too.
var neverPassed = []string{
	"Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect", "Host",
	"Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection",
	"Authorization", "X-Api-Key", "Api-Key", "Cookie", "Forwarded",
	"Content-Length", "Content-Type", "Content-Encoding", "Accept-Encoding", "User-Agent",
	"Idempotency-Key", "X-Request-Id", "Traceparent", "Tracestate", "Baggage",
}

// validatePassed reports names that would undo a protection of this service.
func (c Config) validatePassed() error {
	for _, name := range c.listed() {
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case name == noHeaders:
			return fmt.Errorf("VENDOR_PASS_HEADERS has %q among others: use it alone, or remove it", name)
		case !validHeaderName(name):
			return fmt.Errorf("VENDOR_PASS_HEADERS names a header %q: use letters, digits and hyphens", name)
		case canonical == http.CanonicalHeaderKey(c.AuthHeader):
			return fmt.Errorf("VENDOR_PASS_HEADERS names %s, which is VENDOR_AUTH_HEADER: "+
				"clients would choose the key that is sent", name)
		case slices.Contains(neverPassed, canonical), strings.HasPrefix(canonical, "X-Forwarded"):
			return fmt.Errorf("VENDOR_PASS_HEADERS names %s, which is never passed on: it belongs to the connection "+
				"or to the client's own credentials, or is sent by this service itself", name)
		}
	}
	return nil
}

// noHeaders is the whole list when no header is passed on.
const noHeaders = "none"

// listed is the list of the setting; empty when it is "none".
func (c Config) listed() []string {
	if len(c.PassHeaders) == 1 && c.PassHeaders[0] == noHeaders {
		return nil
	}
	return c.PassHeaders
}

// passed are the names of the list in the canonical form of net/http.
func (c Config) passed() []string {
	var names []string
	for _, name := range c.listed() {
		names = append(names, http.CanonicalHeaderKey(name))
	}
	return names
}

// pass adds to h the headers of the client that go on to the vendor. Those that h has already stay as they are.
func (v *Vendor) pass(h, client http.Header) {
	for _, name := range v.passed {
		if values := client[name]; values != nil && h[name] == nil {
			h[name] = values
		}
	}
}

// Passed are the client's headers that the vendor gets.
func (v *Vendor) Passed() []string { return v.passed }
