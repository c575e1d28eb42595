package middleware

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/outcome"
)

// Identity turns an API key into a user and a tier. The key comes as a bearer token or as X-API-Key; it is hashed at once
// and goes nowhere else.
func Identity(keys *Keys, fail Fail) gin.HandlerFunc {
	unknown := &outcome.Rejected{Layer: "identity", Reason: outcome.Unauthenticated,
		Detail: "Send a valid API key as \"Authorization: Bearer <key>\" or as \"X-API-Key: <key>\"."}
	challenge := []string{`Bearer realm="llm"`}
	return func(c *gin.Context) {
		who, ok := keys.table.Load().lookup(apiKey(c.Request.Header))
		if !ok {
			c.Writer.Header()["Www-Authenticate"] = challenge
			fail(c, unknown)
			return
		}
		in := info(c)
		in.User, in.Tier = who.user, who.tier
		c.Next()
	}
}

// apiKey prefers the bearer token. Other schemes are somebody else's, a gateway's perhaps, and do not hide an X-API-Key.
func apiKey(header http.Header) string {
	if scheme, key, _ := strings.Cut(first(header, "Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(key)
	}
	return first(header, "X-Api-Key")
}

// first is the first value of a header whose name is given as net/http keeps it: Get would look at every letter of it again.
func first(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}
