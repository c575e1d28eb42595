package apidocs_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/apidocs"
)

const description = `{"openapi": "3.1.0"}`

// get asks for a path as a browser or curl would, with headers given as name, value, name, value.
func get(t *testing.T, d *apidocs.Docs, method, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	switch {
	case path == "/openapi.json":
		d.Description(w, r)
	case path == "/docs":
		d.Swagger(w, r)
	case path == "/redoc":
		d.ReDoc(w, r)
	case !d.Part(w, r):
		w.WriteHeader(http.StatusNotFound)
	}
	return w
}

func newDocs(t *testing.T) *apidocs.Docs {
	t.Helper()
	d, err := apidocs.New([]byte(description), apidocs.Trial{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// files are all paths that are served: the pages, and what they load.
func files(t *testing.T) []string {
	t.Helper()
	paths := []string{"/openapi.json", "/docs", "/redoc", "/docs/redoc.search.js"}
	for _, page := range []string{"docs.html", "redoc.html"} {
		for _, m := range regexp.MustCompile(`(?:src|href)="(docs/[^"]+)"`).FindAllStringSubmatch(readFile(t, page),
			-1) {
			paths = append(paths, "/"+m[1])
		}
	}
	if len(paths) != 12 {
		t.Errorf("the paths are %v", paths)
	}
	return paths
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestFilesAreServedPackedAndOnce: compressed, and not again to a client that has them.
func TestFilesAreServedPackedAndOnce(t *testing.T) {
	t.Parallel()
	d := newDocs(t)
	for _, path := range files(t) {
		w := get(t, d, http.MethodGet, path, "Accept-Encoding", "br, gzip;q=0.8")
		if w.Code != http.StatusOK || w.Header().Get("Content-Encoding") != "gzip" ||
			w.Header().Get("Content-Type") == "" {
			t.Fatalf("%s: %d %v", path, w.Code, w.Header())
		}
		z, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(z); err != nil || len(text) == 0 {
			t.Errorf("%s: %d bytes, %v", path, len(text), err)
		}
		tag := w.Header().Get("ETag")
		for _, has := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
			w := get(t, d, http.MethodGet, path, "Accept-Encoding", "gzip", "If-None-Match", has)
			if w.Code != http.StatusNotModified || w.Body.Len() > 0 {
				t.Errorf("%s with %s: %d, %d bytes", path, has, w.Code, w.Body.Len())
			}
		}
		if w := get(t, d, http.MethodGet, path, "Accept-Encoding", "gzip", "If-None-Match",
			`"other"`); w.Code != http.StatusOK {
			t.Errorf("%s: %d to a client that has another one", path, w.Code)
		}
		if w := get(t, d, http.MethodHead, path, "Accept-Encoding", "gzip"); w.Code != http.StatusOK ||
			w.Body.Len() > 0 {
			t.Errorf("HEAD %s: %d, %d bytes", path, w.Code, w.Body.Len())
		}
	}
	if w := get(t, d, http.MethodGet, "/docs/../apidocs.go"); w.Code != http.StatusNotFound {
		t.Errorf("a file that is no part of a page: %d", w.Code)
	}
}

// TestPlainForm: what is small is there for clients that unpack nothing. What is large is never unpacked here.
func TestPlainForm(t *testing.T) {
	t.Parallel()
	d := newDocs(t)
	for _, coding := range [][]string{nil, {"Accept-Encoding", "identity"}, {"Accept-Encoding", "gzip; q=0, br"}} {
		w := get(t, d, http.MethodGet, "/openapi.json", coding...)
		if w.Body.String() != description || w.Header().Get("Content-Encoding") != "" {
			t.Errorf("%v: %v %s", coding, w.Header(), w.Body)
		}
		large := get(t, d, http.MethodGet, "/docs/swagger-ui-bundle.js", coding...)
		want := http.StatusNotAcceptable
		if coding == nil { // any coding will do
			want = http.StatusOK
		}
		if large.Code != want {
			t.Errorf("%v: %d, want %d", coding, large.Code, want)
		}
	}
	packed := get(t, d, http.MethodGet, "/openapi.json", "Accept-Encoding", "*")
	if packed.Header().Get("ETag") == get(t, d, http.MethodGet, "/openapi.json").Header().Get("ETag") {
		t.Error("both forms have the same ETag")
	}
}

// TestPagesLoadNothingFromElsewhere, and run nothing that is written into them: they work without a way out, and a
// description that was tampered with runs no script.
func TestPagesLoadNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	d := newDocs(t)
	for _, path := range []string{"/docs", "/redoc"} {
		w := get(t, d, http.MethodGet, path)
		policy, page := w.Header().Get("Content-Security-Policy"), w.Body.String()
		for _, want := range []string{"default-src 'none'", "script-src 'self';", "frame-ancestors 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the policy lacks %s: %s", path, want, policy)
			}
		}
		if m := regexp.MustCompile(`//|<script>|<style|\son\w+=|javascript:`).FindString(strings.TrimPrefix(page,
			"<!doctype html>")); m != "" {
			t.Errorf("%s has %q", path, m)
		}
	}
	for _, own := range []string{"docs.js", "redoc.js", "streams.js"} {
		if m := regexp.MustCompile(`https?://|eval\(|innerHTML`).FindString(readFile(t, own)); m != "" {
			t.Errorf("%s has %q", own, m)
		}
	}
}

// TestATrialAloneNamesKeys and the live page.
func TestATrialAloneNamesKeys(t *testing.T) {
	t.Parallel()
	d := newDocs(t)
	trial, err := apidocs.New([]byte(description), apidocs.Trial{Live: true, Keys: []string{"dev-<pro>"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/docs", "/redoc"} {
		page, other := get(t, trial, http.MethodGet, path), get(t, d, http.MethodGet, path)
		if !strings.Contains(page.Body.String(), `href="./"`) || strings.Contains(other.Body.String(), `href="./"`) {
			t.Errorf("%s: the link to the live page", path)
		}
		named := strings.Contains(page.Body.String(), "dev-&lt;pro&gt;")
		if named != (path == "/docs") || strings.Contains(other.Body.String(), "dev-") {
			t.Errorf("%s: the keys", path)
		}
		if strings.Contains(page.Body.String()+other.Body.String(), "{{") {
			t.Errorf("%s has a mark that nothing replaces", path)
		}
		for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options"} {
			if has := page.Header().Get(name); has == "" || has != other.Header().Get(name) {
				t.Errorf("%s: %s is %q", path, name, has)
			}
		}
	}
}

// TestDistNamesItsLicences: each folder has its licence, and the list names the version that is inside the files.
func TestDistNamesItsLicences(t *testing.T) {
	t.Parallel()
	list := readFile(t, "dist/README.md")
	rows := regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| (\\S+) \\| (\\S+) \\| (\\S+) \\|$").FindAllStringSubmatch(list,
		-1)
	folders, err := filepath.Glob("dist/*/LICENSE")
	if err != nil || len(rows) != 2 || len(folders) != len(rows) {
		t.Fatalf("%d rows, licences %v, %v", len(rows), folders, err)
	}
	for _, row := range rows {
		scripts, err := filepath.Glob(filepath.Join("dist", row[1], "*.js.gz"))
		scripts = slices.DeleteFunc(scripts, func(name string) bool { return strings.HasSuffix(name, "search.js.gz") })
		if err != nil || len(scripts) != 1 {
			t.Fatal(scripts, err)
		}
		z, err := gzip.NewReader(strings.NewReader(readFile(t, scripts[0])))
		if err != nil {
			t.Fatal(err)
		}
		script, err := io.ReadAll(z)
		if err != nil || !bytes.Contains(script, []byte(`"`+row[3]+`"`)) {
			t.Errorf("%s is not version %s, %v", scripts[0], row[3], err)
		}
	}
}
