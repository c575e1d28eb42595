package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// description is what the tests read of openapi.json.
type description struct {
	OpenAPI string
	Paths   map[string]map[string]struct {
		Responses map[string]struct {
			Description string
			Content     map[string]struct {
				Schema struct {
					Ref string `json:"$ref"`
				}
			}
		}
	}
	Components struct {
		Schemas struct {
			Code struct {
				Enum         []string
				Descriptions []string `json:"x-enum-descriptions"`
			}
		}
	}
}

func describeAPI(t *testing.T) description {
	t.Helper()
	var d description
	if err := json.Unmarshal(openAPI, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// allProblems is every problem there is.
func allProblems() []problem {
	return append(slices.Collect(maps.Values(rejections)), vendorFailed, vendorAuth, vendorQuota,
		answerTooLarge, streamIdle, streamTooLong, internalError)
}

// TestOpenAPIHasEveryRoute, and no route that is not there.
func TestOpenAPIHasEveryRoute(t *testing.T) {
	t.Parallel()
	var served, described []string
	for _, r := range new(server).routes() {
		for _, method := range r.methods {
			if method != http.MethodHead { // implied by GET
				served = append(served, method+" "+strings.Replace(r.path, ":id", "{id}", 1))
			}
		}
	}
	for path, methods := range describeAPI(t).Paths {
		for method := range methods {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(served)
	slices.Sort(described)
	if !slices.Equal(served, described) {
		t.Errorf("served:    %v\ndescribed: %v", served, described)
	}
}

// ofJobs are the codes that only a request for a job may get.
var ofJobs = map[string]bool{
	"jobs_unavailable": true, "jobs_full": true, "too_many_jobs": true, "too_many_job_bytes": true, "idempotency_mismatch": true,
	"job_without_stream": true, "job_result_dropped": true, "job_poisoned": true,
}

// TestOpenAPIHasEveryCode: in its list, with the title of the table, and at each route that may give it.
func TestOpenAPIHasEveryCode(t *testing.T) {
	t.Parallel()
	d := describeAPI(t)
	codes := d.Components.Schemas.Code
	titles := map[string][]string{}
	for _, p := range allProblems() {
		titles[p.code] = append(titles[p.code], p.title)
		if p.status == http.StatusNotFound || p.status == http.StatusMethodNotAllowed || p.status == http.StatusConflict || p.status == statusClosed {
			continue // not answers of these routes
		}
		for path, schema := range map[string]string{"/llm": "Problem", "/v1/chat/completions": "Problem"} {
			if ofJobs[p.code] && path != "/llm" {
				continue
			}
			r := d.Paths[path]["post"].Responses[strconv.Itoa(p.status)]
			if !strings.Contains(r.Description, p.code) {
				t.Errorf("%s: %d does not name %s: %q", path, p.status, p.code, r.Description)
			}
			for _, c := range r.Content {
				if c.Schema.Ref != "#/components/schemas/"+schema {
					t.Errorf("%s: %d has the schema %q", path, p.status, c.Schema.Ref)
				}
			}
		}
	}
	if len(codes.Enum) != len(titles) || len(codes.Descriptions) != len(titles) {
		t.Fatalf("%d codes with %d descriptions, want %d", len(codes.Enum), len(codes.Descriptions), len(titles))
	}
	for i, code := range codes.Enum {
		switch ts := titles[code]; {
		case len(ts) == 0:
			t.Errorf("nothing gives the code %s", code)
		case len(ts) == 1 && ts[0] != codes.Descriptions[i]:
			t.Errorf("%s: %q here, %q in the table", code, codes.Descriptions[i], ts[0])
		}
	}
}

func TestOpenAPIRefersToWhatExists(t *testing.T) {
	t.Parallel()
	var doc any
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	refs := regexp.MustCompile(`"\$ref": "#/([^"]+)"`).FindAllSubmatch(openAPI, -1)
	if len(refs) == 0 {
		t.Error("no references found")
	}
	for _, m := range refs {
		at := doc
		for name := range strings.SplitSeq(string(m[1]), "/") {
			object, _ := at.(map[string]any)
			at = object[name]
		}
		if at == nil {
			t.Errorf("%s leads nowhere", m[1])
		}
	}
}

// TestDocsLoadNothingFromElsewhere: the page has to work in a cluster without a way out.
func TestDocsLoadNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	if m := regexp.MustCompile(`(src|href|fetch|url|import)\W{1,3}(https?:)?//`).Find(docs); m != nil {
		t.Errorf("the page loads something: %s", m)
	}
	if !strings.Contains(string(docs), `fetch("openapi.json")`) {
		t.Error("the page does not read openapi.json")
	}
}

// TestEveryProblemSaysWhatToDo, whatever its layer says.
func TestEveryProblemSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for _, p := range allProblems() {
		if p.title == "" || p.detail == "" && p.code != vendorFailed.code { // which is given its detail with the attempts
			t.Errorf("%+v", p)
		}
	}
}
