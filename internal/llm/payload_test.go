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
		`{"n":3,"best_of":5,"max_tokens":7}`:    {MaxTokens: 7, Choices: 5, PromptTokens: 9},
		`{"n":null}`:                            {PromptTokens: 3},
		`{"mod\u0065l":"m\u00e9"}`:              {Model: "mé", PromptTokens: 6},
		`[{"model":"m"}]`[1:14]:                 {Model: "m", PromptTokens: 4},
	} {
		got, err := ParsePayload(nil, []byte(body), EstimateConfig{})
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
		``:                          {outcome.InvalidJSON, "empty"},
		"{\n \"a\": 1,\n oops}":     {outcome.InvalidJSON, "Line 3, column 2"},
		`{"a":1`:                    {outcome.InvalidJSON, "Line 1"},
		`{`:                         {outcome.InvalidJSON, "Line 1, column 2: unexpected end"},
		"{\n":                       {outcome.InvalidJSON, "Line 2, column 1: unexpected end"},
		`{"a":NaN}`:                 {outcome.InvalidJSON, "Line 1, column 6"},
		`[1]`:                       {outcome.InvalidPayload, "JSON object"},
		`null`:                      {outcome.InvalidPayload, "JSON object"},
		`{"model":7}`:               {outcome.InvalidPayload, `"model"`},
		`{"stream":"yes"}`:          {outcome.InvalidPayload, `"stream"`},
		`{"max_tokens":-1}`:         {outcome.InvalidPayload, `"max_tokens"`},
		`{"max_tokens":1.5}`:        {outcome.InvalidPayload, `"max_tokens"`},
		`{"max_tokens":1e99}`:       {outcome.InvalidPayload, `"max_tokens"`},
		`{"n":"2"}`:                 {outcome.InvalidPayload, `"n" must be a whole number from 0 to 1024`},
		`{"n":2e3}`:                 {outcome.InvalidPayload, `"n"`},
		`{"best_of":0.5}`:           {outcome.InvalidPayload, `"best_of"`},
		"\xef\xbb\xbf{}":            {outcome.InvalidJSON, "byte order mark"},
		"{\"a\":\"\xff\"}":          {outcome.InvalidJSON, "Byte 7 is not UTF-8"},
		strings.Repeat("[", 16<<20): {outcome.InvalidJSON, "deeper than 1000 levels"},
		`{` + strings.Repeat(`"model":"m",`, 9) + `"n":1}`: {outcome.InvalidPayload, `"model" stands 9 times`},
	} {
		_, err := ParsePayload(nil, []byte(body), EstimateConfig{})
		r, ok := errors.AsType[*outcome.Rejected](err)
		if !ok || r.Reason != want.reason || !strings.Contains(r.Detail, want.detail) {
			t.Errorf("%.100q: got %+v, want %s with %q", body, r, want.reason, want.detail)
		}
	}
}

// TestTokens: each answer that is asked for may become as long as the limit, or as what stands in for one.
func TestTokens(t *testing.T) {
	t.Parallel()
	for p, want := range map[Payload]struct{ tokens, text, prompt int }{
		{PromptTokens: 10}:                                             {10 + 256, 10 + 256, 10},
		{PromptTokens: 10, MaxTokens: 5}:                               {15, 15, 10},
		{PromptTokens: 10, MaxTokens: 5, Choices: 8}:                   {50, 50, 10},
		{PromptTokens: 10, Choices: 2}:                                 {10 + 2*256, 10 + 2*256, 10},
		{PromptTokens: 10, MaxTokens: 5, Choices: 2, MediaTokens: 100}: {120, 20, 110},
	} {
		if p.Tokens() != want.tokens || p.Text() != want.text || p.Prompt() != want.prompt {
			t.Errorf("%+v: got %d, %d of text, %d of prompt; want %+v", p, p.Tokens(), p.Text(), p.Prompt(), want)
		}
	}
}

// What encoding/json refuses is refused, and what is kept does not point into the body.
func FuzzParsePayload(f *testing.F) {
	for _, s := range []string{`{"model":"m","stream":true,"max_tokens":3}`, `[`, "\xff", `{"model":"\u00e9"}`,
		`{"a":{"b":[1,2,{"c":null}]}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := ParsePayload(nil, body, EstimateConfig{Image: 100, Audio: 10, File: 20})
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
	body := []byte(`{"model":"gpt","messages":[{"role":"user","content":"` + strings.Repeat("word ", 200) +
		`"}],"max_tokens":100}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParsePayload(nil, body, EstimateConfig{Image: 100, Audio: 10, File: 20}); err != nil {
			b.Fatal(err)
		}
	}
}
