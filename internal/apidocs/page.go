package apidocs

import (
	"fmt"
	"html"
	"strings"
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

// Trial is what the pages show beside the description where the service is tried out, as with --dev. The zero value
// shows nothing.
type Trial struct {
	Live bool     // there is a link to the live page, at / of the same port
	Keys []string // well-known API keys that the service takes
}

// newPage returns a page, with the trial where its HTML has marks for it. They are replaced by hand: a package for
// templates makes the linker keep every method of the program, which is 13 MB more.
func newPage(name, policy string, with Trial) (*file, error) {
	text, err := source.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading a page of the API: %w", err)
	}
	live, keys := "", `<p id="keys">To try it here, press Authorize and give your key.</p>`
	if with.Live {
		live = `<a href="./">Live page</a>`
	}
	if len(with.Keys) > 0 {
		var buttons strings.Builder
		for _, key := range with.Keys {
			fmt.Fprintf(&buttons, `<button type="button" disabled>%s</button> `, html.EscapeString(key))
		}
		keys = `<p id="keys">This service runs with --dev and has these keys: press one to use it. ` +
			buttons.String() + `<span id="key-given" role="status"></span></p>`
	}
	page, err := newFile(name, []byte(strings.NewReplacer("{{live}}", live, "{{keys}}", keys).Replace(string(text))))
	if err != nil {
		return nil, err
	}
	page.policy = policy
	return page, nil
}
