package apidocs

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
)

// Policies of the pages. Each lets a page run what this service serves and nothing that is written into the page. ReDoc
// makes its style sheets while it runs, so its page has to allow styles.
const (
	swaggerPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src " +
		"'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	redocPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
		"connect-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// shown is what the pages show beside the description.
type shown struct {
	Live bool     // there is a link to the live page, at / of the same port
	Keys []string // well-known API keys that the service takes
}

// pages returns both pages.
func pages(what shown) (swagger, redoc *file, err error) {
	if swagger, err = newPage("docs.html", swaggerPolicy, what); err != nil {
		return nil, nil, err
	}
	redoc, err = newPage("redoc.html", redocPolicy, what)
	return swagger, redoc, err
}

func newPage(name, policy string, what shown) (*file, error) {
	form, err := template.ParseFS(source, name)
	if err != nil {
		return nil, fmt.Errorf("reading a page of the API: %w", err)
	}
	var text bytes.Buffer
	if err := form.Execute(&text, what); err != nil {
		return nil, fmt.Errorf("writing a page of the API: %w", err)
	}
	page, err := newFile(name, text.Bytes())
	if err != nil {
		return nil, err
	}
	page.policy = policy
	return page, nil
}

// OverDev serves the pages as they are with --dev, and leaves every other request to next: they lead to the live page,
// which is at / of the same port, and name the well-known keys. Other services never name a key.
func OverDev(next http.Handler, keys []string) (http.Handler, error) {
	swagger, redoc, err := pages(shown{Live: true, Keys: keys})
	if err != nil {
		return nil, err
	}
	own := http.NewServeMux()
	own.HandleFunc("GET /docs", swagger.serve)
	own.HandleFunc("GET /redoc", redoc.serve)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := own.Handler(r); pattern == "" {
			next.ServeHTTP(w, r)
			return
		}
		own.ServeHTTP(w, r)
	}), nil
}
