package upstream_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
	"github.com/spillway-dev/spillway/internal/llm/upstream"
)

// TestListsOfModels: in the forms that vendors have, with the key of the lane, and within bounds.
func TestListsOfModels(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		ids    string
		err    string
	}{
		"OpenAI's": {200, `{"object":"list","data":[{"id":"a"},{"id":"b"}]}`, "a b", ""},
		"an array": {200, `[{"id":"a"},7,{"name":"no id"}]`, "a", ""},
		"empty":    {200, `{"data":[]}`, "", ""},
		"no JSON":  {200, `<html>`, "", "list of models"},
		"too long": {200, `{"data":["` + strings.Repeat("x", 2<<20) + `"]}`, "", "over 2097152 bytes"},
		"too many": {200, `[` + strings.Repeat(`{"id":"a"},`, 2100) + `7]`,
			strings.TrimSpace(strings.Repeat("a ", 2000)), ""},
		"no such path":   {404, ``, "", upstream.ErrNoModelList.Error()},
		"key is refused": {401, ``, "", "status 401"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet || r.URL.Path != "/v1/models" ||
					r.Header.Get("Authorization") != "Bearer sk" {
					t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			})
			v := vendorAt(t, url+"/v1/chat/completions", func(c *chain.Config) { c.Vendor.APIKey = "sk" })
			models, err := v.Models(t.Context())
			var ids []string
			for _, m := range models {
				ids = append(ids, m.ID)
			}
			if strings.Join(ids, " ") != c.ids || (err == nil) != (c.err == "") || err != nil &&
				!strings.Contains(err.Error(), c.err) {
				t.Errorf("%.80v, %v", ids, err)
			}
		})
	}
}

// TestAnthropicsListHasItsVersion, and one page.
func TestAnthropicsListHasItsVersion(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("limit") != "1000" || r.Header.Get("Anthropic-Version") == "" {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = w.Write([]byte(`{"data":[{"id":"claude"}],"has_more":false}`))
	})
	v := vendorAt(t, url+"/v1/messages", func(*chain.Config) {})
	if models, err := v.Models(t.Context()); err != nil || len(models) != 1 {
		t.Errorf("%v, %v", models, err)
	}
	alone := vendorAt(t, url+"/generate#chat", func(*chain.Config) {})
	if _, err := alone.Models(t.Context()); !errors.Is(err, upstream.ErrNoModelList) {
		t.Errorf("a vendor at one path alone: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := v.Models(ctx)
	if err == nil {
		llmtest.OK(t, errors.New("a request that was given up has an answer"))
	}
}
