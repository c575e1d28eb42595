package upstream

import (
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/llm"
)

// TestAddress: the base of an API, the full URL of an endpoint, and one at a path of its own.
func TestAddress(t *testing.T) {
	t.Parallel()
	const all = "chat, completions, responses, embeddings, moderations, messages"
	for name, c := range map[string]struct {
		url       string
		endpoints []string
		speaks    string
		at        string // of calls that name no endpoint
		second    string // of the last endpoint that is spoken
	}{
		"base": {"https://v.example/v1", nil, all,
			"https://v.example/v1/chat/completions", "https://v.example/v1/messages"},
		"base with a slash": {"https://v.example/api/v3/", []string{"responses", "chat"}, "responses, chat",
			"https://v.example/api/v3/responses", "https://v.example/api/v3/chat/completions"},
		"no path": {"http://127.0.0.1:9091", nil, all,
			"http://127.0.0.1:9091/chat/completions", "http://127.0.0.1:9091/messages"},
		"full URL": {"https://v.example/v1/chat/completions", nil, "chat",
			"https://v.example/v1/chat/completions", "https://v.example/v1/chat/completions"},
		"full URL and more": {"https://v.example/v1/chat/completions", []string{"embeddings", "chat"},
			"embeddings, chat",
			"https://v.example/v1/chat/completions", "https://v.example/v1/chat/completions"},
		"full URL of what is not wanted": {"https://v.example/v1/completions", []string{"chat"}, "chat",
			"https://v.example/v1/chat/completions", "https://v.example/v1/chat/completions"},
		"OpenAI": {"https://api.openai.com/v1", nil, "chat, completions, responses, embeddings, moderations",
			"https://api.openai.com/v1/chat/completions", "https://api.openai.com/v1/moderations"},
		"Anthropic": {"https://api.anthropic.com/v1", nil, "messages",
			"https://api.anthropic.com/v1/messages", "https://api.anthropic.com/v1/messages"},
		"Azure's deployment": {"https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=1", nil,
			"chat",
			"https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=1",
			"https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=1"},
		"path of its own": {"https://v.example/generate?a=b#messages", nil, "messages",
			"https://v.example/generate?a=b", "https://v.example/generate?a=b"},
	} {
		cfg := Config{URL: c.url, Endpoints: c.endpoints}
		a, err := cfg.address()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var names []string
		for _, e := range a.speaks {
			names = append(names, e.Name)
			if !cfg.Speaks(e) {
				t.Errorf("%s: does not speak %s", name, e.Name)
			}
		}
		at, second := a.urls[a.own].String(), a.urls[a.speaks[len(a.speaks)-1]].String()
		if got := strings.Join(names, ", "); got != c.speaks || at != c.at || second != c.second {
			t.Errorf("%s: %s at %s and %s", name, got, at, second)
		}
	}
}

func TestAddressIsRefusedWithAReason(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"":                             "must be an http(s) URL",
		"api.openai.com/v1":            "must be an http(s) URL",
		"ftp://v.example/v1":           "must be an http(s) URL",
		"https://u:secret@v.example/1": "remove it; set VENDOR_AUTH_SCHEME to Basic",
		"https://api.openai.com/":      "has no path: the base of this vendor's API is https://api.openai.com/v1",
		"https://api.anthropic.com":    "has no path: the base of this vendor's API is https://api.anthropic.com/v1",
		"https://v.example/x#speech":   `the endpoint "speech", which is not known: use ` + llm.EndpointNames(),
	} {
		_, err := Config{URL: url}.address()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
	for list, want := range map[string]string{
		"chat,speech":    `VENDOR_ENDPOINTS names the endpoint "speech"`,
		"chat,chat":      `VENDOR_ENDPOINTS names "chat" twice`,
		"messages,chat!": `"chat!"`,
	} {
		_, err := Config{URL: "https://v.example/v1", Endpoints: strings.Split(list, ",")}.address()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", list, err)
		}
	}
	_, err := Config{URL: "https://v.example/x#chat", Endpoints: []string{"embeddings"}}.address()
	if err == nil || !strings.Contains(err.Error(), "VENDOR_URL is the URL of chat alone") {
		t.Error(err)
	}
}
