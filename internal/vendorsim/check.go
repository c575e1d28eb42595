package vendorsim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spillway-dev/spillway/internal/vendorsim/dialect"
	"github.com/spillway-dev/spillway/internal/vendorsim/script"
)

// playPrefix is how a model's name asks for an answer of the catalogue: "play:429-bare".
const playPrefix = "play:"

// check returns why the vendor refuses a request, or nil. sound is true when the body is a JSON object, or when the
// request needs no body.
func (c *call) check(cfg Config, r *http.Request, path dialect.Path, sound bool) *dialect.Failure {
	switch {
	case c.endpoint == nil, len(cfg.Endpoints) > 0 && !slices.Contains(cfg.Endpoints, c.endpoint.Name):
		return &dialect.Failure{
			Status: http.StatusNotFound, Message: fmt.Sprintf("Unknown request URL: %s %s", r.Method, r.URL.Path),
			Code: "unknown_url",
		}
	case path.Azure && r.URL.Query().Get("api-version") == "":
		return &dialect.Failure{
			Status:  http.StatusNotFound,
			Code:    "404",
			Message: "Resource not found: api-version is missing",
		}
	case len(cfg.Keys) > 0 && !slices.Contains(cfg.Keys, c.key), c.endpoint.Anthropic && c.key == "":
		return &dialect.Failure{Status: http.StatusUnauthorized, Message: "Incorrect API key provided: " + short(c.key)}
	case !sound:
		return &dialect.Failure{Status: http.StatusBadRequest, Message: "the body is not a JSON object"}
	case c.endpoint.Anthropic && r.Header.Get("Anthropic-Version") == "":
		return &dialect.Failure{Status: http.StatusBadRequest, Message: "anthropic-version: header is required"}
	case c.endpoint.Name == "messages" && c.Limit == 0:
		return &dialect.Failure{Status: http.StatusBadRequest, Message: "max_tokens: Field required"}
	}
	return c.checkModel(cfg)
}

// checkModel returns why the vendor refuses a model, or nil.
func (c *call) checkModel(cfg Config) *dialect.Failure {
	if name, is := strings.CutPrefix(c.Model, playPrefix); is {
		if _, ok := script.Find(name); !ok {
			return unknownModel("there is no answer %q; GET /answers lists them", name)
		}
		return nil
	}
	if len(cfg.Models) > 0 && c.Model != "" && !slices.Contains(cfg.Models, c.Model) {
		return unknownModel("The model %q does not exist", c.Model)
	}
	return nil
}

func unknownModel(message, model string) *dialect.Failure {
	return &dialect.Failure{
		Status: http.StatusNotFound, Code: "model_not_found", Message: fmt.Sprintf(message, short(model)),
	}
}

// short bounds the length of a client's text.
func short(s string) string { return s[:min(len(s), 80)] }

// asked returns the fault of a call: the one that applies, else the one that the call asks for by the name of its
// model.
func (c *call) asked(met Fault) Fault {
	name, is := strings.CutPrefix(c.Model, playPrefix)
	if !is || met.Kind != "" && met.Kind != "slow" {
		return met
	}
	named, _ := script.Find(name) // check has found it
	return Fault{Kind: "answer", Name: name, Answer: &named.Answer}
}
