package clients

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/ssestream"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// openAI is a client of s that does not repeat calls unless the options change that.
func (s *service) openAI(options ...option.RequestOption) *openai.Client {
	client := openai.NewClient(append([]option.RequestOption{
		option.WithBaseURL(s.url + "/v1/"), option.WithAPIKey(s.key), option.WithMaxRetries(0),
	}, options...)...)
	return &client
}

// hello is a chat with the text hello.
func hello() openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model: "demo", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("hello")},
	}
}

// through runs a test with the vendor alone and through the service: the results must be the same.
func through(t *testing.T, test func(*testing.T, *service)) {
	t.Helper()
	t.Run("vendor", func(t *testing.T) { t.Parallel(); test(t, alone(t, vendorsim.Config{})) })
	t.Run("service", func(t *testing.T) { t.Parallel(); test(t, start(t, vendorsim.Config{})) })
}

func TestChat(t *testing.T) {
	t.Parallel()
	through(t, func(t *testing.T, s *service) {
		params := hello()
		params.N = openai.Int(3)
		got, err := s.openAI().Chat.Completions.New(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Choices) != 3 || got.Choices[2].Message.Content != "You said: hello" || got.Choices[2].Index != 2 {
			t.Errorf("got %s", got.RawJSON())
		}
		if got.Model != "demo" || got.Usage.CompletionTokens != 96 || got.Usage.TotalTokens != 96+
			got.Usage.PromptTokens {
			t.Errorf("got %s", got.RawJSON())
		}
	})
}

func TestStream(t *testing.T) {
	t.Parallel()
	through(t, func(t *testing.T, s *service) {
		params := hello()
		params.N = openai.Int(2)
		params.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
		stream := s.openAI().Chat.Completions.NewStreaming(t.Context(), params)
		var got openai.ChatCompletionAccumulator
		for stream.Next() {
			if !got.AddChunk(stream.Current()) {
				t.Fatalf("chunk %s does not fit", stream.Current().RawJSON())
			}
		}
		if err := stream.Err(); err != nil {
			t.Fatal(err)
		}
		if len(got.Choices) != 2 || !strings.HasPrefix(got.Choices[1].Message.Content, "You said: hello") ||
			got.Choices[1].FinishReason != "stop" || got.Usage.CompletionTokens != 64 {
			t.Errorf("got %+v", got.ChatCompletion)
		}
	})
}

// weather is a tool with parameters.
func weather() openai.ChatCompletionToolUnionParam {
	return openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
		Name: "weather", Parameters: shared.FunctionParameters{"type": "object", "properties": map[string]any{
			"city": map[string]any{"type": "string"}, "unit": map[string]any{"enum": []string{"celsius", "fahrenheit"}},
		}},
	})
}

// arguments are the arguments of the tool.
type arguments struct{ City, Unit string }

func TestToolsInPieces(t *testing.T) {
	t.Parallel()
	through(t, func(t *testing.T, s *service) {
		params := hello()
		params.Tools = []openai.ChatCompletionToolUnionParam{weather()}
		client := s.openAI()
		stream := client.Chat.Completions.NewStreaming(t.Context(), params)
		var got openai.ChatCompletionAccumulator
		pieces := 0
		for stream.Next() {
			got.AddChunk(stream.Current())
			if c := stream.Current().Choices; len(c) > 0 && len(c[0].Delta.ToolCalls) > 0 {
				pieces++
			}
		}
		if err := stream.Err(); err != nil {
			t.Fatal(err)
		}
		message := got.Choices[0].Message
		if len(message.ToolCalls) != 1 || pieces < 5 || got.Choices[0].FinishReason != "tool_calls" {
			t.Fatalf("%d pieces, got %+v", pieces, message)
		}
		var args arguments
		if err := json.Unmarshal([]byte(message.ToolCalls[0].Function.Arguments), &args); err != nil ||
			args.Unit != "celsius" {
			t.Errorf("arguments %q: %v", message.ToolCalls[0].Function.Arguments, err)
		}
		params.Messages = append(params.Messages, message.ToParam(),
			openai.ToolMessage("sunny", message.ToolCalls[0].ID))
		answer, err := client.Chat.Completions.New(t.Context(), params)
		if err != nil || answer.Choices[0].Message.Content != "The tool said: sunny" {
			t.Errorf("%v, %+v", err, answer)
		}
	})
}

func TestStructuredOutput(t *testing.T) {
	t.Parallel()
	through(t, func(t *testing.T, s *service) {
		params := hello()
		params.ResponseFormat = openai.ChatCompletionNewParamsResponseFormatUnion{
			OfJSONSchema: &shared.ResponseFormatJSONSchemaParam{
				JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{
					Name: "weather", Strict: openai.Bool(true), Schema: weather().OfFunction.Function.Parameters,
				},
			},
		}
		got, err := s.openAI().Chat.Completions.New(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		var args arguments
		if err := json.Unmarshal([]byte(got.Choices[0].Message.Content), &args); err != nil || args.City != "hello" {
			t.Errorf("got %q: %v", got.Choices[0].Message.Content, err)
		}
	})
}

// leaves takes one event of a stream and leaves it, which ends the vendor's work.
func leaves[T any](t *testing.T, s *service, open func(context.Context) *ssestream.Stream[T]) {
	t.Helper()
	ctx, leave := context.WithCancelCause(t.Context())
	stream := open(ctx)
	if !stream.Next() {
		t.Fatal(stream.Err())
	}
	leave(errors.New("the client has had enough"))
	s.cancelled(t, 1)
	for stream.Next() { // what had come before it left
	}
	if stream.Err() == nil {
		t.Error("a stream that was left ended well")
	}
}

// A client that leaves a response or a completion in the middle of its stream ends the vendor's work.
func TestAbortOfOtherStreams(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T, *service){
		"response": func(t *testing.T, s *service) {
			leaves(t, s, func(ctx context.Context) *ssestream.Stream[responses.ResponseStreamEventUnion] {
				return s.openAI().Responses.NewStreaming(ctx, ask())
			})
		},
		"completion": func(t *testing.T, s *service) {
			leaves(t, s, func(ctx context.Context) *ssestream.Stream[openai.Completion] {
				return s.openAI().Completions.NewStreaming(ctx, openai.CompletionNewParams{Model: "demo",
					Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("hello")}})
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t, vendorsim.Config{TokensPerSecond: 0.001}))
		})
	}
}

// When a client leaves, the vendor's call ends: before the first byte, and in the middle of a stream.
func TestAbort(t *testing.T) {
	t.Parallel()
	s := start(t, vendorsim.Config{TokensPerSecond: 0.001})
	leaves(t, s, func(ctx context.Context) *ssestream.Stream[openai.ChatCompletionChunk] {
		return s.openAI().Chat.Completions.NewStreaming(ctx, hello())
	})
	if err := s.AddFault(vendorsim.Fault{Kind: "hang"}); err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { _, err := s.openAI().Chat.Completions.New(ctx, hello()); ended <- err }()
	s.inFlight(t)
	leave()
	s.cancelled(t, 2)
	if err := <-ended; err == nil {
		t.Error("a call that was left ended well")
	}
}
