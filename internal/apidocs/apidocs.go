// Package apidocs serves the description of the API and the pages that show it: /openapi.json, /docs (Swagger UI) and
// /redoc (ReDoc). It knows no route and no problem: the description comes in as a document.
//
//	apidocs.go  which files there are, and each page's Content-Security-Policy
//	page.go     the HTML of the pages, which differs with --dev
//	file.go     how a file is served: compressed, with an ETag
//	docs.js     Swagger UI; streams.js shows streams as they come; redoc.js is ReDoc
//	dist        files of other projects, with their licences
//
// The pages load nothing from elsewhere, so that they work in a cluster without a way out. Everyone may read them, so
// they cost little: what is served lies in memory once, compressed at start-up or before, and is never unpacked.
package apidocs

import (
	"embed"
	"net/http"
	"path"
)

//go:embed docs.* redoc.* streams.js dist
var source embed.FS

// parts are the files that the pages load, by the name in /docs/{name}.
var parts = map[string]string{
	"docs.css":             "docs.css",
	"docs.js":              "docs.js",
	"streams.js":           "streams.js",
	"redoc.css":            "redoc.css",
	"redoc.js":             "redoc.js",
	"swagger-ui.css":       "dist/swagger-ui/swagger-ui.css.gz",
	"swagger-ui-bundle.js": "dist/swagger-ui/swagger-ui-bundle.js.gz",
	"redoc.standalone.js":  "dist/redoc/redoc.standalone.js.gz",
	"redoc.search.js":      "dist/redoc/redoc.search.js.gz",
}

// types are the content types, by extension. Those of the machine could be others.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".json": "application/json",
}

// Docs are the pages. It is safe for concurrent use.
type Docs struct {
	description, swagger, redoc *file
	parts                       map[string]*file
}

// New returns the pages of a description, an OpenAPI document in JSON.
func New(description []byte, with Trial) (*Docs, error) {
	d := &Docs{parts: map[string]*file{}}
	var err error
	if d.description, err = newFile("openapi.json", description); err != nil {
		return nil, err
	}
	if d.swagger, err = newPage("docs.html", swaggerPolicy, with); err != nil {
		return nil, err
	}
	if d.redoc, err = newPage("redoc.html", redocPolicy, with); err != nil {
		return nil, err
	}
	for name, from := range parts {
		if d.parts[name], err = embedded(from); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// Description serves the document itself.
func (d *Docs) Description(w http.ResponseWriter, r *http.Request) { d.description.serve(w, r) }

// Swagger serves Swagger UI.
func (d *Docs) Swagger(w http.ResponseWriter, r *http.Request) { d.swagger.serve(w, r) }

// ReDoc serves ReDoc.
func (d *Docs) ReDoc(w http.ResponseWriter, r *http.Request) { d.redoc.serve(w, r) }

// Part serves a file that a page loads, named by the last element of the path. It reports whether there is such a file.
func (d *Docs) Part(w http.ResponseWriter, r *http.Request) bool {
	f, ok := d.parts[path.Base(r.URL.Path)]
	if ok {
		f.serve(w, r)
	}
	return ok
}
