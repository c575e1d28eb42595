package middleware

import (
	"net/http"
	"slices"

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
