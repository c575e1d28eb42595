package api

import (
	"fmt"
	"slices"

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

// isOpen reports whether an endpoint is open to clients: it is listed, or there is no list and a vendor has it.
func (s *server) isOpen(e *llm.Endpoint) bool {
	if len(s.cfg.Endpoints) > 0 {
		return slices.Contains(s.cfg.Endpoints, e.Name)
	}
	return e == llm.Models || s.speaks == nil || s.speaks(e)
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
