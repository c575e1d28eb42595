package clients

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// ask is a request for a response.
func ask() responses.ResponseNewParams {
	return responses.ResponseNewParams{
		Model: "demo", Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("hello")},
	}
}

func TestResponses(t *testing.T) {
	t.Parallel()
	throughAll(t, func(t *testing.T, s *service) {
		got, err := s.openAI().Responses.New(t.Context(), ask())
		if err != nil {
			t.Fatal(err)
		}
		if got.OutputText() != "You said: hello" || got.Status != "completed" || got.Usage.OutputTokens != 32 {
			t.Errorf("got %s", got.RawJSON())
		}
		params := ask()
		params.Text.Format = responses.ResponseFormatTextConfigParamOfJSONSchema("weather",
			weather().OfFunction.Function.Parameters)
		if got, err = s.openAI().Responses.New(t.Context(), params); err != nil {
			t.Fatal(err)
		}
		var args arguments
		if err := json.Unmarshal([]byte(got.OutputText()), &args); err != nil || args.City != "hello" {
			t.Errorf("got %s", got.RawJSON())
		}
	})
}

func TestResponseStream(t *testing.T) {
	t.Parallel()
	throughAll(t, func(t *testing.T, s *service) {
		stream := s.openAI().Responses.NewStreaming(t.Context(), ask())
		var text strings.Builder
		kinds, number := map[string]int{}, int64(0)
		var last responses.ResponseStreamEventUnion
		for stream.Next() {
			last = stream.Current()
			if last.SequenceNumber != number {
				t.Errorf("event %d is %s", number, last.RawJSON())
			}
			number++
			kinds[last.Type]++
			if last.Type == "response.output_text.delta" {
				text.WriteString(last.Delta)
			}
		}
		if err := stream.Err(); err != nil {
			t.Fatal(err)
		}
		if last.Type != "response.completed" || last.Response.OutputText() != text.String() || text.Len() == 0 ||
			last.Response.Usage.OutputTokens != 32 || kinds["response.created"] != 1 ||
			kinds["response.output_item.done"] != 1 {
			t.Errorf("%v, text %q, last %s", kinds, &text, last.RawJSON())
		}
	})
}

// A call of a tool arrives in pieces, and its result gets an answer.
func TestResponseTools(t *testing.T) {
	t.Parallel()
	throughAll(t, func(t *testing.T, s *service) {
		params, f := ask(), weather().OfFunction.Function
		params.Tools = []responses.ToolUnionParam{
			{OfFunction: &responses.FunctionToolParam{Name: f.Name, Parameters: f.Parameters,
				Strict: openai.Bool(true)}},
		}
		stream := s.openAI().Responses.NewStreaming(t.Context(), params)
		var pieces strings.Builder
		var call responses.ResponseOutputItemUnion
		for stream.Next() {
			switch event := stream.Current(); event.Type {
			case "response.function_call_arguments.delta":
				pieces.WriteString(event.Delta)
			case "response.completed":
				call = event.Response.Output[0]
			}
		}
		var args arguments
		if err := json.Unmarshal([]byte(pieces.String()), &args); stream.Err() != nil || err != nil ||
			args.Unit != "celsius" {
			t.Fatalf("%v, %v, %q", stream.Err(), err, &pieces)
		}
		output := responses.ResponseInputItemParamOfFunctionCallOutput("sunny")
		output.OfFunctionCallOutput.CallID = openai.String(call.CallID)
		params.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{
			responses.ResponseInputItemParamOfMessage("hello", "user"),
			responses.ResponseInputItemParamOfFunctionCall(call.Arguments.OfString, call.CallID, call.Name), output,
		}}
		answer, err := s.openAI().Responses.New(t.Context(), params)
		if err != nil || answer.OutputText() != "The tool said: sunny" {
			t.Errorf("%v, %+v", err, answer)
		}
	})
}

func TestCompletions(t *testing.T) {
	t.Parallel()
	throughAll(t, func(t *testing.T, s *service) {
		params := openai.CompletionNewParams{
			Model: "demo", N: openai.Int(2), BestOf: openai.Int(4),
			Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("hello")},
		}
		got, err := s.openAI().Completions.New(t.Context(), params)
		if err != nil || len(got.Choices) != 2 || got.Choices[1].Text != "You said: hello" ||
			got.Usage.CompletionTokens != 4*32 {
			t.Fatalf("%v, %+v", err, got)
		}
		stream := s.openAI().Completions.NewStreaming(t.Context(), params)
		texts := make([]string, 2)
		for stream.Next() {
			for _, c := range stream.Current().Choices {
				texts[c.Index] += c.Text
			}
		}
		if stream.Err() != nil || !strings.HasPrefix(texts[1], "You said: hello") || texts[0] != texts[1] {
			t.Errorf("%v, %q", stream.Err(), texts)
		}
	})
}

// The same input has the same vector, as numbers and in base64.
func TestEmbeddings(t *testing.T) {
	t.Parallel()
	throughAll(t, func(t *testing.T, s *service) {
		params := openai.EmbeddingNewParams{
			Model: "text-embedding-3-small", Dimensions: openai.Int(8),
			Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"a", "b", "a"}},
		}
		got, err := s.openAI().Embeddings.New(t.Context(), params)
		if err != nil || len(got.Data) != 3 || got.Usage.TotalTokens == 0 {
			t.Fatalf("%v, %+v", err, got)
		}
		a, b, again, length := got.Data[0].Embedding, got.Data[1].Embedding, got.Data[2].Embedding, 0.0
		for i := range a {
			length += a[i] * a[i]
			if a[i] != again[i] {
				t.Errorf("%v is not %v", a, again)
			}
		}
		if len(a) != 8 || math.Abs(length-1) > 1e-5 || a[0] == b[0] {
			t.Errorf("%v and %v", a, b)
		}
	})
}

func TestModerations(t *testing.T) {
	t.Parallel()
	throughAll(t, func(t *testing.T, s *service) {
		got, err := s.openAI().Moderations.New(t.Context(), openai.ModerationNewParams{
			Input: openai.ModerationNewParamsInputUnion{OfStringArray: []string{"kill", "kiss"}},
		})
		if err != nil || len(got.Results) != 2 || !got.Results[0].Flagged || !got.Results[0].Categories.Violence ||
			got.Results[1].Flagged {
			t.Errorf("%v, %+v", err, got)
		}
	})
}

func TestModels(t *testing.T) {
	t.Parallel()
	throughAll(t, func(t *testing.T, s *service) {
		list, err := s.openAI().Models.List(t.Context())
		if err != nil || len(list.Data) == 0 || list.Data[0].ID != "demo" {
			t.Fatalf("%v, %+v", err, list)
		}
		if one, err := s.openAI().Models.Get(t.Context(), "demo"); err != nil || one.ID != "demo" || one.Created == 0 {
			t.Errorf("%v, %+v", err, one)
		}
		_, err = s.openAI().Models.Get(t.Context(), "none")
		if failed, ok := errors.AsType[*openai.Error](err); !ok || failed.StatusCode != http.StatusNotFound ||
			failed.Code != "model_not_found" {
			t.Errorf("%v", err)
		}
	})
}

// throughAll runs a test of an endpoint with the vendor alone, and through the service.
func throughAll(t *testing.T, test func(*testing.T, *service)) {
	t.Helper()
	t.Run("vendor", func(t *testing.T) { t.Parallel(); test(t, alone(t, vendorsim.Config{})) })
	t.Run("service", func(t *testing.T) { t.Parallel(); test(t, start(t, vendorsim.Config{}, "LLM_RETRY_MAX=0")) })
}
