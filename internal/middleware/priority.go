package middleware

import (
	"net/http"
	"strings"
)

// Class is the priority of a request, in the words of the header that asks for it: "low", "normal" or "high".
type Class string

// The classes, lowest first.
const (
	Low    Class = "low"
	Normal Class = "normal"
	High   Class = "high"
)

// ClassOf is the priority a request has: that of its tier, or a lower one when X-Priority or Priority asks for it. Nobody
// can raise himself. Priority is also read in the form of RFC 9218, where u=0 is the most urgent and u=7 the least; up to
// u=3, which stands for clients that did not think about it, it asks for nothing.
func (c Config) ClassOf(header http.Header, tier string) Class {
	own := Low
	switch c.rank(tier) {
	case middle:
		own = Normal
	case highest:
		own = High
	}
	asked := header.Get("X-Priority")
	if asked == "" {
		asked = header.Get("Priority")
	}
	switch class := parseClass(asked); {
	case own == Low || class == Low:
		return Low
	case own == Normal || class == Normal:
		return Normal
	}
	return High
}

// parseClass reads what a client asks for; High when it asks for nothing, or for nothing that makes sense.
func parseClass(s string) Class {
	for member := range strings.SplitSeq(s, ",") {
		switch member = strings.ToLower(strings.TrimSpace(member)); member {
		case "low", "u=6", "u=7":
			return Low
		case "normal", "u=4", "u=5":
			return Normal
		}
	}
	return High
}
