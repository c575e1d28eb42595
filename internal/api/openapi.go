package api

import (
	_ "embed"
	"net/http"

	"github.com/gin-gonic/gin"
)

// The description of the API and the page that shows it. The page loads nothing from elsewhere, so that it works in a
// cluster without a way out.
var (
	//go:embed openapi.json
	openAPI []byte
	//go:embed docs.html
	docs []byte
)

func serveOpenAPI(c *gin.Context) { c.Data(http.StatusOK, "application/json", openAPI) }

func serveDocs(c *gin.Context) {
	c.Writer.Header().Set("Content-Security-Policy", "default-src 'self' 'unsafe-inline'; frame-ancestors 'none'")
	c.Data(http.StatusOK, "text/html; charset=utf-8", docs)
}
