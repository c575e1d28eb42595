package api

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/llm"
)

// Azure's clients have other paths for the same endpoints:
//
//	/openai/deployments/{model}/chat/completions?api-version=…   the path names the model, also where the body does not
//	/openai/v1/chat/completions                                  OpenAI's paths below another base
//
// A request for one of them becomes a request for the endpoint itself before it meets any layer, so that limits, logs,
// metrics and errors know one path for each endpoint. Its api-version goes on to the vendor.

// azure is what a request by one of Azure's paths says beside its endpoint. The zero value is another request.
type azure struct {
	model   string // of the deployment; empty: the body names it
	version string // api-version; empty: none
}

type azureKey struct{}

const azurePrefix = "/openai/"

var (
	deployment = regexp.MustCompile(`^/openai/deployments/([^/]{1,256})(/.+)$`)
	apiVersion = regexp.MustCompile(`^[0-9A-Za-z.-]{1,40}$`)
)

// azurePaths serves Azure's paths as the endpoints that they stand for. Other paths stay as they are.
func azurePaths(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, azurePrefix) {
			r = asEndpoint(r)
		}
		next.ServeHTTP(w, r)
	})
}

// asEndpoint is the request with the path of its endpoint; r itself when it has none, or names a model that cannot be.
func asEndpoint(r *http.Request) *http.Request {
	var asked azure
	path := strings.TrimPrefix(r.URL.Path, "/openai")
	if parts := deployment.FindStringSubmatch(r.URL.Path); parts != nil {
		if !utf8.ValidString(parts[1]) { // no model has such a name, and none can stand in a body
			return r
		}
		asked.model, path = parts[1], llm.Base+parts[2]
	}
	if e, base := llm.EndpointAt(path); (e == nil || base != llm.Base) && !strings.HasPrefix(path, llm.Models.Route()) {
		return r
	}
	if version := r.URL.Query().Get("api-version"); apiVersion.MatchString(version) {
		asked.version = version
	}
	r = r.WithContext(context.WithValue(r.Context(), azureKey{}, asked))
	u := *r.URL
	u.Path, u.RawPath = path, ""
	r.URL = &u
	return r
}

// apply makes the call ask for the model of the deployment, in place of the one that its body names, as Azure does.
func (a azure) apply(call *llm.Call) {
	if a.model != "" && a.model != call.Payload.Model {
		call.AskFor(a.model)
	}
}

// azureOf returns what azurePaths has found in a request.
func azureOf(c *gin.Context) azure {
	asked, _ := c.Request.Context().Value(azureKey{}).(azure)
	return asked
}
