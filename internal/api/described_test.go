package api_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/api"
)

// described passes requests to next and holds each answer against /openapi.json: an answer of a route, whatever test
// has asked for it, has a status, a content type and a code that the description names.
func described(t *testing.T, next http.Handler) http.Handler {
	t.Helper()
	d := readDescription(t)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &answerSeen{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(seen, r)
		if trouble := d.trouble(r, seen); trouble != "" && r.Context().Err() == nil {
			t.Errorf("%s %s: %s, which /openapi.json does not describe", r.Method, r.URL.Path, trouble)
		}
		if sentence := saidTwice(seen.body); sentence != "" {
			t.Errorf("%s %s: the answer says %q twice", r.Method, r.URL.Path, sentence)
		}
	})
}

// description is /openapi.json with its references to answers and examples resolved.
type description struct {
	Paths      map[string]map[string]struct{ Responses map[string]answerDescribed }
	Components struct {
		Responses map[string]answerDescribed
		Examples  map[string]struct{ Value struct{ Code string } }
	}
}

type answerDescribed struct {
	Ref     string `json:"$ref"`
	Content map[string]struct {
		Examples map[string]struct {
			Ref string `json:"$ref"`
		}
	}
}

func readDescription(t *testing.T) (d description) {
	t.Helper()
	text, err := api.Description()
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var parameter = regexp.MustCompile(`\\\{\w+\\\}`)

// anyOf is what stands in a path for a parameter: the ID of a model may have slashes.
func anyOf(parameter string) string {
	if strings.Contains(parameter, "deployment") {
		return "[^/]+"
	}
	return ".+"
}

// route is the description of the answers of a route; nil when there is no such route.
func (d description) route(method, path string) map[string]answerDescribed {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if method != strings.ToUpper(method) { // POsT is another method than POST
		return nil
	}
	for pattern, methods := range d.Paths {
		form := "^" + parameter.ReplaceAllStringFunc(regexp.QuoteMeta(pattern), anyOf) + "$"
		if pattern == path || regexp.MustCompile(form).MatchString(path) {
			return methods[strings.ToLower(method)].Responses
		}
	}
	return nil
}

// trouble is what an answer has that is not described.
func (d description) trouble(r *http.Request, got *answerSeen) string {
	answers := d.route(r.Method, r.URL.Path)
	status := strconv.Itoa(got.status)
	if answers == nil || r.Method == http.MethodOptions {
		if got.status == http.StatusNotFound || got.status == http.StatusMethodNotAllowed ||
			got.status == http.StatusNoContent {
			return ""
		}
		return "status " + status + " of no route"
	}
	answer, ok := answers[status]
	if !ok {
		answer, ok = answers[status[:1]+"XX"]
	}
	if name, isRef := strings.CutPrefix(answer.Ref, "#/components/responses/"); isRef {
		answer, ok = d.Components.Responses[name]
	}
	if !ok {
		return "status " + status
	}
	kind, _, _ := strings.Cut(got.Header().Get("Content-Type"), ";")
	media, ok := answer.Content[kind]
	if own, passed := answer.Content["*/*"]; !ok && passed {
		media, ok = own, true
	}
	if !ok && kind != "" && len(got.body) > 0 {
		return "status " + status + " with content type " + kind
	}
	var problem struct {
		Code  string
		Title string // the vendor's own errors have none
	}
	if err := json.Unmarshal(got.body, &problem); err != nil || problem.Title == "" || problem.Code == "" ||
		api.InEvents(problem.Code) {
		return ""
	}
	var codes []string
	for _, e := range media.Examples {
		codes = append(codes, d.Components.Examples[strings.TrimPrefix(e.Ref, "#/components/examples/")].Value.Code)
	}
	if !slices.Contains(codes, problem.Code) {
		return "status " + status + " with the code " + problem.Code
	}
	return ""
}

// saidTwice is a sentence that the message of an error has more than once: its title and its detail come from different
// places.
func saidTwice(body []byte) string {
	var document struct{ Error struct{ Message string } }
	if json.Unmarshal(body, &document) != nil {
		return ""
	}
	said := map[string]bool{}
	for sentence := range strings.SplitSeq(strings.TrimSuffix(document.Error.Message, "."), ". ") {
		if said[sentence] {
			return sentence
		}
		said[sentence] = true
	}
	return ""
}

// answerSeen keeps the status and the beginning of an answer.
type answerSeen struct {
	http.ResponseWriter
	status int
	body   []byte
}

func (a *answerSeen) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

func (a *answerSeen) Write(p []byte) (int, error) {
	a.body = append(a.body, p[:min(len(p), 4<<10-min(4<<10, len(a.body)))]...)
	return a.ResponseWriter.Write(p)
}

func (a *answerSeen) FlushError() error { return http.NewResponseController(a.ResponseWriter).Flush() }

func (a *answerSeen) Flush() { _ = a.FlushError() }

func (a *answerSeen) Unwrap() http.ResponseWriter { return a.ResponseWriter }
