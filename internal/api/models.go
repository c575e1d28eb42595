package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// modelLister knows the models that are served.
type modelLister func(context.Context) ([]llm.Model, error)

// modelRoutes are the routes of the list of models. They lead to no call, so they are served while a vendor is down and
// under load. They count in the user's limit. A vendor is asked once a minute, however often clients ask.
func (s *server) modelRoutes() []route {
	if !s.isOpen(llm.Models) {
		return nil
	}
	return []route{
		{get, llm.Models.Route(), everyCounted, s.listModels},
		{get, llm.Models.Route() + "/*id", everyCounted, s.getModel},
	}
}

// listModels serves GET /v1/models, in one page, with the members that OpenAI's and Anthropic's clients look for.
func (s *server) listModels(c *gin.Context) {
	models, ok := s.models(c)
	if !ok {
		return
	}
	b := append(make([]byte, 0, 4<<10), `{"object":"list","data":[`...)
	for i, m := range models {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, m.Document...)
	}
	b = append(b, `],"has_more":false,"first_id":`...)
	first, last := "null", "null"
	if len(models) > 0 {
		first = string(appendJSONString(nil, models[0].ID))
		last = string(appendJSONString(nil, models[len(models)-1].ID))
	}
	b = append(append(append(append(append(b, first...), `,"last_id":`...), last...), '}'), '\n')
	writeJSON(c, b)
}

// getModel serves GET /v1/models/{id}. A model's name may have slashes.
func (s *server) getModel(c *gin.Context) {
	models, ok := s.models(c)
	if !ok {
		return
	}
	id := strings.TrimPrefix(c.Param("id"), "/")
	i := slices.IndexFunc(models, func(m llm.Model) bool { return m.ID == id })
	if i < 0 {
		s.fail(c, &outcome.Rejected{Layer: "models", Reason: reasonModelNotFound,
			Detail: "No vendor lists the model " + strconv.Quote(echoed(id)) + ". GET " + llm.Models.Route() +
				" has those that are served."})
		return
	}
	writeJSON(c, models[i].Document)
}

// models returns the models that are served, or answers the request with why they are not known.
func (s *server) models(c *gin.Context) ([]llm.Model, bool) {
	dialectOf(c.Request).nameRequest(c.Writer.Header())
	models, err := s.lister(c.Request.Context())
	if err == nil && c.Request.Context().Err() != nil {
		err = context.Cause(c.Request.Context())
	}
	if err != nil {
		s.fail(c, err)
		return nil, false
	}
	return models, true
}

func writeJSON(c *gin.Context, b []byte) {
	c.Writer.Header()["Cache-Control"] = []string{"no-store"} // it depends on who asks
	c.Data(http.StatusOK, "application/json", b)
}
