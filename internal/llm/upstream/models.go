package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"

	"github.com/spillway-dev/spillway/internal/llm"
)

// Bounds of a vendor's list of models.
const (
	maxModelList = 2 << 20 // bytes
	maxModels    = 2_000
)

// ErrNoModelList says that a vendor has no list of models.
var ErrNoModelList = errors.New("the vendor has no list of models")

// Models asks the vendor once for its list of models. The caller bounds the time. The request passes no gate: vendors
// do not count it against the contract, and it is made once a minute at most.
func (v *Vendor) Models(ctx context.Context) ([]llm.Model, error) {
	models, err := v.list(ctx)
	result := "ok"
	switch {
	case errors.Is(err, ErrNoModelList):
		result = "none"
	case err != nil:
		result = "failed"
	}
	v.metrics.lists.WithLabelValues(result).Inc()
	return models, err
}

func (v *Vendor) list(ctx context.Context) ([]llm.Model, error) {
	if v.at.models == nil {
		return nil, ErrNoModelList
	}
	req := v.request.WithContext(ctx)
	req.Method, req.URL, req.Header = http.MethodGet, v.at.models, maps.Clone(*v.header.Load())
	req.Header.Del("Content-Type")
	if v.at.own.Dialect.Errors == llm.AnthropicErrors {
		paged := *v.at.models
		paged.RawQuery = "limit=1000" // the largest page that Anthropic gives
		req.URL = &paged
		if req.Header.Get("Anthropic-Version") == "" {
			req.Header.Set("Anthropic-Version", "2023-06-01")
		}
	}
	res, err := v.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return nil, ErrNoModelList
	default:
		return nil, fmt.Errorf("the vendor's list of models: status %d", res.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxModelList+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxModelList {
		return nil, fmt.Errorf("the vendor's list of models is over %d bytes", maxModelList)
	}
	return readModels(text, v.name)
}

// readModels reads a list: an object with "data", as OpenAI and Anthropic have it, or an array. Entries that are not
// models are left out.
func readModels(text []byte, owner string) ([]llm.Model, error) {
	var list struct{ Data []json.RawMessage }
	if err := json.Unmarshal(text, &list); err != nil {
		if json.Unmarshal(text, &list.Data) != nil {
			return nil, fmt.Errorf("the vendor's list of models: %w", err)
		}
	}
	models := make([]llm.Model, 0, min(len(list.Data), maxModels))
	for _, entry := range list.Data[:min(len(list.Data), maxModels)] {
		if model, err := llm.ReadModel(entry, owner); err == nil {
			models = append(models, model)
		}
	}
	return models, nil
}
