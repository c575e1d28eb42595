package live

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"fmt"
)

//go:embed page.html
var pageHTML []byte

// page is the page with the policy that lets the browser run its own script and style, and nothing else.
type page struct {
	html   []byte
	policy string
}

func newPage(html []byte) page {
	return page{html: html, policy: fmt.Sprintf(
		"default-src 'none'; script-src '%s'; style-src '%s'; img-src data:; connect-src 'self'; "+
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		hash(html, "script"), hash(html, "style"),
	)}
}

// hash names the content of the page's one element called tag, as a Content-Security-Policy has it.
func hash(html []byte, tag string) string {
	_, rest, _ := bytes.Cut(html, []byte("<"+tag+">"))
	content, _, _ := bytes.Cut(rest, []byte("</"+tag+">"))
	sum := sha256.Sum256(content)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
