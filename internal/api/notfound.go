package api

import (
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/outcome"
)

// maxEchoed is how much of a client's own path and host an answer repeats, in bytes.
const maxEchoed = 100

// notFound answers paths that do not exist: with the path that was asked for, the base URL that clients need and the
// endpoints there are. Most of these requests come from a client with a wrong base URL.
func notFound(routes []route) gin.HandlerFunc {
	var endpoints []string
	for _, r := range routes {
		if r.scope != everyRequest {
			endpoints = append(endpoints, strings.Join(r.methods, ", ")+" "+strings.ReplaceAll(r.path, ":id", "{id}"))
		}
	}
	slices.Sort(endpoints)
	list := strings.Join(endpoints, "; ")
	return func(c *gin.Context) {
		base := "http://"
		if c.Request.TLS != nil || c.Request.Header.Get("X-Forwarded-Proto") == "https" {
			base = "https://"
		}
		base += echoed(c.Request.Host) + "/v1"
		fail(c, &outcome.Rejected{Layer: "router", Reason: reasonNotFound,
			Detail: "There is no " + echoed(c.Request.URL.Path) + ". OpenAI clients need the base URL " + base +
				". The endpoints are: " + list + ". They are described at /docs."})
	}
}

func echoed(s string) string {
	if len(s) > maxEchoed {
		s = s[:maxEchoed] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}
