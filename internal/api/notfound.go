package api

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// maxEchoed is how much of a client's own path and host an answer repeats, in bytes.
const maxEchoed = 100

// notFound answers paths that do not exist: with the path that was asked for, the base URL that clients need and the
// endpoints there are. Most of these requests come from a client with a wrong base URL.
func notFound(routes []route) gin.HandlerFunc {
	closed, list := closedRoutes(routes), listed(routes)
	return func(c *gin.Context) {
		path := c.Request.URL.Path
		text := "There is no " + echoed(path) + ". "
		if slices.Contains(closed, path) {
			text = path + " is not open here: LLM_ENDPOINTS lists what is open, " +
				"and LLM_VENDOR_ENDPOINTS what the vendor has. "
		}
		fail(c, &outcome.Rejected{Layer: "router", Reason: reasonNotFound, Detail: text + bases(c.Request) + list})
	}
}

// notAllowed answers methods that a path does not take, in the same way.
func notAllowed(routes []route) gin.HandlerFunc {
	list := listed(routes)
	return func(c *gin.Context) {
		fail(c, &outcome.Rejected{Layer: "router", Reason: reasonMethodNotAllowed,
			Detail: echoed(c.Request.URL.Path) + " takes " + c.Writer.Header().Get("Allow") + ", not " +
				echoed(c.Request.Method) + ". " + list})
	}
}

// listed describes the routes that need an API key.
func listed(routes []route) string {
	var endpoints []string
	for _, r := range routes {
		if r.scope != everyRequest {
			endpoints = append(endpoints, strings.Join(r.methods, ", ")+" "+documented(r.path))
		}
	}
	slices.Sort(endpoints)
	return "The endpoints are: " + strings.Join(endpoints, "; ") + ". They are described at /docs."
}

// documented is a route's path in the form in which people and OpenAPI write it.
func documented(path string) string {
	return pathParameter.ReplaceAllString(path, "{$1}")
}

var pathParameter = regexp.MustCompile(`[:*](\w+)`)

// closedRoutes are the endpoints that are known and have no route.
func closedRoutes(routes []route) (closed []string) {
	for _, e := range append([]*llm.Endpoint{llm.Models}, llm.Endpoints...) {
		if !slices.ContainsFunc(routes, func(r route) bool { return r.path == e.Route() }) {
			closed = append(closed, e.Route())
		}
	}
	return closed
}

// bases says which base URLs the clients of each vendor need.
func bases(r *http.Request) string {
	base := "http://"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		base = "https://"
	}
	base += echoed(r.Host)
	return "OpenAI clients need the base URL " + base + llm.Base + "; Anthropic and Azure clients " + base + ". "
}

func echoed(s string) string {
	if len(s) > maxEchoed {
		s = s[:maxEchoed] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}
