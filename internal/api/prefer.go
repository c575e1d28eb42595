package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// preference is what a client prefers, as RFC 7240 names it.
type preference struct {
	async bool          // respond-async
	wait  time.Duration // 0: not asked for
}

// preferred reads the Prefer headers. Values that make no sense are ignored, as the RFC asks. When a preference is
// repeated the first one counts.
func preferred(h http.Header) (p preference) {
	waits := false
	for _, line := range h["Prefer"] {
		for member := range strings.SplitSeq(line, ",") {
			member, _, _ = strings.Cut(member, ";") // drops parameters: these preferences have none
			name, value, _ := strings.Cut(member, "=")
			switch name = strings.TrimSpace(name); {
			case strings.EqualFold(name, "respond-async"):
				p.async = true
			case strings.EqualFold(name, "wait") && !waits:
				seconds, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 16)
				p.wait, waits = time.Duration(seconds)*time.Second, err == nil
			}
		}
	}
	return p
}

// waitOf is how long a request waits for a job: as long as the client asks, and less than the request's deadline.
func (s *server) waitOf(p preference) time.Duration {
	return min(p.wait, (s.sla * 9 / 10).Truncate(time.Second))
}

// waitApplied is the value of Preference-Applied after a wait, in the form of RFC 7240.
func waitApplied(wait time.Duration) string { return "wait=" + strconv.Itoa(int(wait/time.Second)) }
