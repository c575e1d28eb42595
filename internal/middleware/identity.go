package middleware

import (
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/outcome"
)

// Identity turns an API key into a user, a tier and a priority. The key comes as a bearer token, as X-API-Key or as
// Azure's api-key; it is hashed at once and is stored nowhere. A request without a known key is refused before its body
// is read.
func Identity(cfg Config, keys *Keys, fail Fail) gin.HandlerFunc {
	unknown := &outcome.Rejected{Layer: "identity", Reason: outcome.Unauthenticated,
		Detail: `Send a valid API key as "Authorization: Bearer <key>", as "X-API-Key: <key>" or as "api-key: <key>".`}
	challenge := []string{`Bearer realm="llm"`}
	priorities := cfg.priorities()
	return func(c *gin.Context) {
		caller, ok := keys.table.Load().lookup(time.Now(), apiKey(c.Request.Header))
		if !ok {
			c.Writer.Header()["Www-Authenticate"] = challenge
			fail(c, unknown)
			return
		}
		in := info(c)
		in.User, in.Tier = caller.user, caller.tier
		in.Priority = min(priorities[caller.tier], requestedPriority(c.Request.Header))
		c.Next()
	}
}

// apiKey prefers the bearer token. An Authorization header of another scheme may be for a gateway: then the other
// headers are read.
func apiKey(header http.Header) string {
	if scheme, key, _ := strings.Cut(firstValue(header, "Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(key)
	}
	if key := firstValue(header, "X-Api-Key"); key != "" {
		return key
	}
	return firstValue(header, "Api-Key")
}

// firstValue is the first value of a header whose name is given in the canonical form of net/http. Unlike Header.Get it
// does not bring the name into that form on every request.
func firstValue(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}
