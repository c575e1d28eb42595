package chain

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/spillway-dev/spillway/internal/llm"
)

// TestOverlapIsWhatTwoPatternsBothCover compares with the models themselves.
func TestOverlapIsWhatTwoPatternsBothCover(t *testing.T) {
	t.Parallel()
	pattern := rapid.StringMatching(`[ab]{0,3}\*?`).Filter(func(s string) bool { return s != "" })
	rapid.Check(t, func(t *rapid.T) {
		a, b := pattern.Draw(t, "a"), pattern.Draw(t, "b")
		model := rapid.StringMatching(`[ab]{0,5}`).Draw(t, "model")
		if matches(a, model) && matches(b, model) && !overlap(a, b) {
			t.Errorf("%q and %q both cover %q", a, b, model)
		}
		longer := strings.TrimSuffix(a, "*")
		if other := strings.TrimSuffix(b, "*"); len(other) > len(longer) {
			longer = other
		}
		if overlap(a, b) && (!matches(a, longer) || !matches(b, longer)) {
			t.Errorf("%q and %q do not both cover %q, the first model that they could", a, b, longer)
		}
	})
}

func TestMapping(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]string{
		"claude":                "claude",
		"gpt-4o:sonnet,*:haiku": "sonnet",
		"gpt-4o*:sonnet":        "sonnet",
		"gpt-4:sonnet":          "",
		"*:llama3:8b":           "llama3:8b",
		"gpt-4o-mini:a, x":      "x",
		"gpt-4o : a , * : y":    "a",
	} {
		var m Mapping
		if err := m.Decode(setting); err != nil {
			t.Errorf("%q: %v", setting, err)
		}
		if got := m.of("gpt-4o"); got != want {
			t.Errorf("%q makes gpt-4o %q, want %q", setting, got, want)
		}
	}
	for _, wrong := range []string{"a:", ":b", "a,,b", "*a:b", "a: ", "*:a,gpt-4o:b", "a*:x,ab*:y", "a:x,a:y"} {
		if err := new(Mapping).Decode(wrong); err == nil {
			t.Errorf("%q is accepted", wrong)
		}
	}
}

func TestOnlyTheModelIsChanged(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"model":"a","n":1.0}`:                      `{"model":"new","n":1.0}`,
		" {\n\t\"mod\\u0065l\" : \"a\" ,\"x\":[1] }": " {\n\t\"mod\\u0065l\" : \"new\" ,\"x\":[1] }",
		`{"metadata":{"model":"a"},"model":"a"}`:     `{"metadata":{"model":"a"},"model":"new"}`,
		`{"model":"a","model":"b"}`:                  `{"model":"new","model":"new"}`,
		`{"messages":[]}`:                            `{"model":"new","messages":[]}`,
		` { }`:                                       ` {"model":"new" }`,
	} {
		before := strings.Clone(body)
		if got := bytes.Join(llm.WithModel([]byte(body), "new"), nil); string(got) != want || body != before {
			t.Errorf("%s becomes %s, want %s", body, got, want)
		}
	}
}

// FuzzOnlyTheModelIsChanged: what comes out is JSON that asks for the model, and the same as what went in without it.
func FuzzOnlyTheModelIsChanged(f *testing.F) {
	f.Add(`{"model":"a","b":[{"model":1}]}`, "c")
	f.Fuzz(func(t *testing.T, body, model string) {
		var before, after map[string]any
		if json.Unmarshal([]byte(body), &before) != nil || before == nil || strings.ToValidUTF8(model, "") != model {
			return
		}
		changed := bytes.Join(llm.WithModel([]byte(body), model), nil)
		if err := json.Unmarshal(changed, &after); err != nil || after["model"] != model {
			t.Fatalf("%q with %q: %v, %v", body, model, after, err)
		}
		delete(before, "model")
		delete(after, "model")
		a, _ := json.Marshal(before)
		b, _ := json.Marshal(after)
		if string(a) != string(b) {
			t.Errorf("%s became %s", a, b)
		}
	})
}
