package llm

import "testing"

// TestPayloadIsReadByItsEndpoint: each has its own limits on tokens, and some have none.
func TestPayloadIsReadByItsEndpoint(t *testing.T) {
	t.Parallel()
	const body = `{"max_tokens":10,"max_completion_tokens":20,"max_output_tokens":30,"n":4,"stream":true}`
	for name, want := range map[string]Payload{
		"":            {MaxTokens: 30, Choices: 4, Stream: true},
		"chat":        {MaxTokens: 20, Choices: 4, Stream: true},
		"completions": {MaxTokens: 20, Choices: 4, Stream: true},
		"responses":   {MaxTokens: 30, Stream: true},
		"messages":    {MaxTokens: 10, Stream: true},
		"embeddings":  {InputOnly: true},
		"moderations": {InputOnly: true},
	} {
		want.PromptTokens = (len(body) + 3) / 4
		got, err := ParsePayload(EndpointNamed(name), []byte(body), EstimateConfig{})
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v; want %+v", name, got, err, want)
		}
		if want.InputOnly && got.Tokens() != want.PromptTokens {
			t.Errorf("%s: %d tokens", name, got.Tokens())
		}
	}
}

func TestEndpointAt(t *testing.T) {
	t.Parallel()
	for path, want := range map[string][2]string{
		"/v1/chat/completions":             {"chat", "/v1"},
		"/v1/completions":                  {"completions", "/v1"},
		"/openai/deployments/d/embeddings": {"embeddings", "/openai/deployments/d"},
		"/messages":                        {"messages", ""},
		"/v1":                              {"", ""},
		"/v1/messages/batches":             {"", ""},
	} {
		e, base := EndpointAt(path)
		name := ""
		if e != nil {
			name = e.Name
		}
		if name != want[0] || base != want[1] {
			t.Errorf("%s: %s below %q", path, name, base)
		}
	}
}
