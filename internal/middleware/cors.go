package middleware

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/gin-gonic/gin"
)

// CORS lets pages of the given origins call the service from a browser; "*" stands for every origin. It answers
// preflight requests itself. Without origins it does nothing, and browsers keep pages of other origins away.
//
// Credentials in the sense of CORS, which are cookies, are never allowed: the service has none.
func CORS(origins []string) gin.HandlerFunc {
	if len(origins) == 0 {
		return func(c *gin.Context) { c.Next() }
	}
	every := slices.Contains(origins, "*")
	return func(c *gin.Context) {
		origin := firstValue(c.Request.Header, "Origin")
		if origin == "" {
			c.Next()
			return
		}
		h := c.Writer.Header()
		h.Add("Vary", "Origin")
		if !every && !slices.Contains(origins, origin) {
			c.Next()
			return
		}
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Expose-Headers", "*")
		if c.Request.Method != http.MethodOptions || c.Request.Header["Access-Control-Request-Method"] == nil {
			c.Next()
			return
		}
		h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
		h.Set("Access-Control-Allow-Headers", firstValue(c.Request.Header, "Access-Control-Request-Headers"))
		h.Set("Access-Control-Max-Age", "600")
		c.AbortWithStatus(http.StatusNoContent)
	}
}

// asSent is an origin of the setting in the form in which browsers send it: in lower case, without a path, and without
// the port that the scheme has anyway. It reports false for what is no origin.
func asSent(origin string) (sent string, ok bool) {
	if origin == "*" || origin == "null" || origin == "file://" { // the last two are what pages from files send
		return origin, true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.User != nil || strings.ContainsFunc(u.Host, noHost) {
		return "", false
	}
	host := strings.TrimSuffix(strings.ToLower(u.Host), ":")
	switch u.Scheme { // which url.Parse has put into lower case
	case "http":
		host = strings.TrimSuffix(host, ":80")
	case "https":
		host = strings.TrimSuffix(host, ":443")
	}
	return u.Scheme + "://" + host, u.Scheme != ""
}

// noHost reports whether a host that browsers send cannot have the letter. They write names in ASCII, as xn--….
func noHost(r rune) bool { return r == '*' || r > unicode.MaxASCII }
