package middleware

import (
	"net/http"
	"strings"

	"github.com/spillway-dev/spillway/internal/priority"
)

// priorities returns the priority of each tier: the lowest tier is low, the highest is high, all others are normal.
func (c Config) priorities() map[string]priority.Class {
	byTier := make(map[string]priority.Class, len(c.TierRates))
	for tier := range c.TierRates {
		byTier[tier] = map[rank]priority.Class{lowest: priority.Low, middle: priority.Normal,
			highest: priority.High}[c.rank(tier)]
	}
	return byTier
}

// requestedPriority reads the priority that a client asks for in X-Priority or, without it, in Priority. It is an upper
// bound: a client can lower its tier's priority and cannot raise it. Without a request, or with one that makes no
// sense, the bound is High. Priority is also read in the form of RFC 9218, in which u=0 is the most urgent and u=7 the
// least; u=0 to u=3, which is the RFC's default, ask for nothing.
func requestedPriority(header http.Header) priority.Class {
	asked := firstValue(header, "X-Priority")
	if asked == "" {
		asked = firstValue(header, "Priority")
	}
	for member := range strings.SplitSeq(asked, ",") {
		switch member = strings.ToLower(strings.TrimSpace(member)); member {
		case "low", "u=6", "u=7":
			return priority.Low
		case "normal", "u=4", "u=5":
			return priority.Normal
		}
	}
	return priority.High
}
