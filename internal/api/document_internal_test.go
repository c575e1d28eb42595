package api

import (
	"encoding/json"
	"testing"
)

func TestAnyTextIsQuoted(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "plain", `"`, `\`, `Send "Authorization: Bearer <key>".`, `ends with "`, "a\nline", `"then` + "\x00",
		"später", "\xff broken", "\u2028", `C:\dir\"x"`,
	} {
		var read string
		if err := json.Unmarshal(appendJSONString(nil, text), &read); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		want, _ := json.Marshal(text)
		var wanted string
		if err := json.Unmarshal(want, &wanted); err != nil || read != wanted {
			t.Errorf("%q is read as %q, want %q", text, read, wanted)
		}
	}
}
