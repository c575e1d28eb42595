package llm

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/outcome"
)

func TestParsePayload(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]Payload{
		`{}`:                                    {PromptTokens: 1},
		`{"model":"m","stream":true}`:           {Model: "m", Stream: true, PromptTokens: 7},
		`{"max_tokens":10,"stream":null}`:       {MaxTokens: 10, PromptTokens: 8},
		`{"max_completion_tokens":5}`:           {MaxTokens: 5, PromptTokens: 7},
		`{"model":"a","model":"b"}`:             {Model: "b", PromptTokens: 7},
		`{"x":{"model":"inner","stream":true}}`: {PromptTokens: 10},
	} {
		got, err := ParsePayload([]byte(body))
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v; want %+v", body, got, err, want)
		}
	}
}

func TestParsePayloadSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]struct {
		reason outcome.Reason
		detail string
	}{
		``:                      {outcome.InvalidJSON, "empty"},
		"{\n \"a\": 1,\n oops}": {outcome.InvalidJSON, "Line 3, column 2"},
		`{"a":1`:                {outcome.InvalidJSON, "Line 1"},
		`{`:                     {outcome.InvalidJSON, "Line 1, column 2: unexpected end"},
		"{\n":                   {outcome.InvalidJSON, "Line 2, column 1: unexpected end"},
		`{"a":NaN}`:             {outcome.InvalidJSON, "Line 1, column 6"},
		`[1]`:                   {outcome.InvalidPayload, "JSON object"},
		`null`:                  {outcome.InvalidPayload, "JSON object"},
		`{"model":7}`:           {outcome.InvalidPayload, `"model"`},
		`{"stream":"yes"}`:      {outcome.InvalidPayload, `"stream"`},
		`{"max_tokens":-1}`:     {outcome.InvalidPayload, `"max_tokens"`},
		`{"max_tokens":1.5}`:    {outcome.InvalidPayload, `"max_tokens"`},
		`{"max_tokens":1e99}`:   {outcome.InvalidPayload, `"max_tokens"`},
	} {
		_, err := ParsePayload([]byte(body))
		r, ok := errors.AsType[*outcome.Rejected](err)
		if !ok || r.Reason != want.reason || !strings.Contains(r.Detail, want.detail) {
			t.Errorf("%q: got %+v, want %s with %q", body, r, want.reason, want.detail)
		}
	}
}

// What is accepted is JSON by the standard library's word too, and what is kept does not point into the body.
func FuzzParsePayload(f *testing.F) {
	for _, s := range []string{`{"model":"m","stream":true,"max_tokens":3}`, `[`, "\xff", `{"model":"\u00e9"}`, `{"a":{"b":[1,2,{"c":null}]}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := ParsePayload(body)
		if err != nil {
			if _, ok := errors.AsType[*outcome.Rejected](err); !ok {
				t.Fatalf("%T is no rejection", err)
			}
			return
		}
		if !json.Valid(body) {
			t.Fatalf("accepted %q", body)
		}
		model := strings.Clone(p.Model)
		clear(body)
		if p.Model != model || p.Tokens() < 0 {
			t.Fatalf("the payload changed with its body: %q", model)
		}
	})
}

func BenchmarkParsePayload(b *testing.B) {
	body := []byte(`{"model":"gpt","messages":[{"role":"user","content":"` + strings.Repeat("word ", 200) + `"}],"max_tokens":100}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParsePayload(body); err != nil {
			b.Fatal(err)
		}
	}
}
