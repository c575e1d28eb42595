package clients

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// claude is a client of s that does not repeat calls unless the options change that.
func (s *service) claude(options ...option.RequestOption) *anthropic.Client {
	client := anthropic.NewClient(append([]option.RequestOption{
		option.WithBaseURL(s.url), option.WithAPIKey(s.key), option.WithMaxRetries(0),
	}, options...)...)
	return &client
}

// greet is a message with the text hello.
func greet() anthropic.MessageNewParams {
	return anthropic.MessageNewParams{
		Model: "demo", MaxTokens: 100,
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("hello"))},
	}
}

// weatherInput is the schema of the tool's input.
func weatherInput() map[string]any {
	return map[string]any{"city": map[string]any{"type": "string"}, "unit": map[string]any{"enum": []string{"celsius"}}}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	throughAll(t, func(t *testing.T, s *service) {
		got, err := s.claude().Messages.New(t.Context(), greet())
		if err != nil {
			t.Fatal(err)
		}
		if got.Content[0].Text != "You said: hello" || got.StopReason != "end_turn" || got.Usage.OutputTokens != 32 {
			t.Errorf("got %s", got.RawJSON())
		}
		params := greet()
		params.OutputConfig.Format = anthropic.JSONOutputFormatParam{
			Schema: map[string]any{"type": "object", "properties": weatherInput()},
		}
		if got, err = s.claude().Messages.New(t.Context(), params); err != nil {
			t.Fatal(err)
		}
		var args arguments
		if err := json.Unmarshal([]byte(got.Content[0].Text), &args); err != nil || args.City != "hello" {
			t.Errorf("got %s", got.RawJSON())
		}
	})
}

func TestMessageStream(t *testing.T) {
	t.Parallel()
	throughAll(t, func(t *testing.T, s *service) {
		stream := s.claude().Messages.NewStreaming(t.Context(), greet())
		var got anthropic.Message
		for stream.Next() {
			if err := got.Accumulate(stream.Current()); err != nil {
				t.Fatal(err)
			}
		}
		if err := stream.Err(); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(got.Content[0].Text, "You said: hello") || got.StopReason != "end_turn" ||
			got.Usage.OutputTokens != 32 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestMessageTools(t *testing.T) {
	t.Parallel()
	throughAll(t, func(t *testing.T, s *service) {
		params := greet()
		params.Tools = []anthropic.ToolUnionParam{
			anthropic.ToolUnionParamOfTool(anthropic.ToolInputSchemaParam{Properties: weatherInput()}, "weather"),
		}
		stream := s.claude().Messages.NewStreaming(t.Context(), params)
		var got anthropic.Message
		for stream.Next() {
			if err := got.Accumulate(stream.Current()); err != nil {
				t.Fatal(err)
			}
		}
		if err := stream.Err(); err != nil {
			t.Fatal(err)
		}
		use := got.Content[0].AsToolUse()
		var args arguments
		if err := json.Unmarshal(use.Input, &args); err != nil || args.Unit != "celsius" ||
			got.StopReason != "tool_use" {
			t.Fatalf("%v, %+v", err, got)
		}
		params.Messages = append(params.Messages, got.ToParam(),
			anthropic.NewUserMessage(anthropic.NewToolResultBlock(use.ID, "sunny", false)))
		answer, err := s.claude().Messages.New(t.Context(), params)
		if err != nil || answer.Content[0].Text != "The tool said: sunny" {
			t.Errorf("%v, %+v", err, answer)
		}
	})
}

func TestAnthropicModelsAndCount(t *testing.T) {
	t.Parallel()
	throughAll(t, func(t *testing.T, s *service) {
		list, err := s.claude().Models.List(t.Context(), anthropic.ModelListParams{})
		if err != nil || len(list.Data) == 0 || list.Data[0].ID != "demo" || list.Data[0].CreatedAt.IsZero() {
			t.Fatalf("%v, %+v", err, list)
		}
		if one, err := s.claude().Models.Get(t.Context(), "demo", anthropic.ModelGetParams{}); err != nil ||
			one.DisplayName != "demo" {
			t.Errorf("%v, %+v", err, one)
		}
	})
	t.Run("count", func(t *testing.T) {
		t.Parallel()
		count, err := alone(
			t,
			vendorsim.Config{},
		).claude().
			Messages.CountTokens(
			t.Context(),
			anthropic.MessageCountTokensParams{
				Model: "demo", Messages: greet().Messages,
			},
		)
		if err != nil || count.InputTokens == 0 {
			t.Errorf("%v, %+v", err, count)
		}
	})
}

// Errors of the vendor have Anthropic's format, with the request's ID.
func TestAnthropicErrors(t *testing.T) {
	t.Parallel()
	throughAll(t, func(t *testing.T, s *service) {
		params := greet()
		params.Model = "play:400-anthropic-too-long"
		_, err := s.claude().Messages.New(t.Context(), params)
		failed, ok := errors.AsType[*anthropic.Error](err)
		if !ok || failed.StatusCode != http.StatusBadRequest || failed.Type() != "invalid_request_error" ||
			failed.RequestID == "" {
			t.Errorf("%v", err)
		}
	})
}

// Errors of the service have Anthropic's format and types, with the request's ID. The header with the version reaches
// the vendor.
func TestAnthropicErrorsOfTheService(t *testing.T) {
	t.Parallel()
	for kind, tt := range map[anthropic.ErrorType]struct {
		status  int
		options []option.RequestOption
		fault   vendorsim.Fault
		env     []string
	}{
		"authentication_error": {status: 401, options: []option.RequestOption{option.WithAPIKey("none")}},
		"invalid_request_error": {status: 400,
			options: []option.RequestOption{option.WithRequestBody("application/json", []byte("{"))}},
		"rate_limit_error":  {status: 429, fault: vendorsim.Fault{Kind: "status", Status: 429}},
		"api_error":         {status: 502, fault: vendorsim.Fault{Kind: "reset"}},
		"request_too_large": {status: 413, env: []string{"LLM_MAX_BODY=16"}},
		"not_found_error":   {status: 404, env: []string{"LLM_VENDOR_ENDPOINTS=chat"}},
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s := start(t, vendorsim.Config{}, append([]string{"LLM_RETRY_MAX=0"}, tt.env...)...)
			if tt.fault.Kind != "" {
				if err := s.AddFault(tt.fault); err != nil {
					t.Fatal(err)
				}
			}
			_, err := s.claude(tt.options...).Messages.New(t.Context(), greet())
			failed, ok := errors.AsType[*anthropic.Error](err)
			if !ok || failed.StatusCode != tt.status || failed.Type() != kind || failed.RequestID == "" {
				t.Errorf("%v", err)
			}
		})
	}
}
