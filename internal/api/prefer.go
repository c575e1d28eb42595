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

// preferred reads the Prefer headers. What makes no sense is ignored, as the RFC asks; of repeated preferences the
// first counts.
func preferred(h http.Header) (p preference) {
	waits := false
	for _, line := range h["Prefer"] {
		for member := range strings.SplitSeq(line, ",") {
			member, _, _ = strings.Cut(member, ";") // parameters, of which these have none
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

// waitOf is how long a connection may be held: never so long that the deadline of the request would end it.
func (s *server) waitOf(p preference) time.Duration {
	return min(p.wait, (s.sla * 9 / 10).Truncate(time.Second))
}

// waitApplied is what an answer that was waited for says, in the form of RFC 7240.
func waitApplied(wait time.Duration) string { return "wait=" + strconv.Itoa(int(wait/time.Second)) }
