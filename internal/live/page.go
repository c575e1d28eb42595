package live

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
)

// pageFiles are what the page is made of: our own files, and the chart library uPlot with its licence.
//
//go:embed page
var pageFiles embed.FS

// page is the page with the policy that lets the browser run its own script and style, and nothing else.
type page struct {
	html   []byte
	policy string
}

// newPage puts the page together, so that a browser loads one file.
func newPage() page {
	style := join("page/uplot/uPlot.min.css", "page/page.css")
	script := join("page/uplot/uPlot.iife.min.js",
		"page/base.js", "page/way.js", "page/charts.js", "page/state.js", "page/try.js", "page/link.js")
	html := bytes.Replace(join("page/page.html"), []byte("{{style}}"), style, 1)
	return page{html: bytes.Replace(html, []byte("{{script}}"), script, 1), policy: fmt.Sprintf(
		"default-src 'none'; script-src '%s'; style-src '%s'; img-src data:; connect-src 'self'; "+
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "+
			"require-trusted-types-for 'script'; trusted-types 'none'",
		hash(script), hash(style),
	)}
}

// join reads files and writes them one after the other.
func join(names ...string) []byte {
	var all []byte
	for _, name := range names {
		text, err := pageFiles.ReadFile(name)
		if err != nil {
			panic(err) // the file is not in the binary
		}
		all = append(append(all, text...), '\n')
	}
	return all
}

// hash names a script or style, as a Content-Security-Policy has it.
func hash(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
