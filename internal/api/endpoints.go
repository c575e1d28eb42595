package api

import (
	"fmt"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/llm"
)

// validateEndpoints reports names that are not known.
func (c Config) validateEndpoints() error {
	for _, name := range c.Endpoints {
		if name != llm.Models.Name && llm.EndpointNamed(name) == nil {
			return fmt.Errorf("ENDPOINTS names %q, which is not known: use %s, %s", name, llm.EndpointNames(),
				llm.Models.Name)
		}
	}
	return nil
}

// isOpen reports whether an endpoint is open to clients: because it is listed, or because no list is given and a vendor
// has it.
func (s *server) isOpen(e *llm.Endpoint) bool {
	if len(s.cfg.Endpoints) > 0 {
		return slices.Contains(s.cfg.Endpoints, e.Name)
	}
	return e == llm.Models || s.spoken == nil || s.spoken(e)
}

// endpointRoutes are the routes of the endpoints that are open.
func (s *server) endpointRoutes() (all []route) {
	for _, e := range llm.Endpoints {
		if s.isOpen(e) {
			all = append(all, route{post, e.Route(), everyCall, s.call(e)})
		}
	}
	return append(all, s.modelRoutes()...)
}

// call serves a route that leads to a vendor call: the body goes to the vendor byte for byte, and the vendor's answer
// comes back the same way. A nil endpoint is the one of the lane's VENDOR_URL.
func (s *server) call(e *llm.Endpoint) gin.HandlerFunc {
	return func(c *gin.Context) {
		body, block, err := s.readBody(c.Request, s.cfg.MaxBody)
		defer block.Release()
		if err != nil {
			s.fail(c, err)
			return
		}
		dialectOf(c.Request).nameRequest(c.Writer.Header())
		s.forward(c, e, body, block)
	}
}
