package api

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/jobs"
	"github.com/spillway-dev/spillway/internal/memory"
)

// bodyOf is the body in the document of a job with this answer, and the size of its largest part.
func bodyOf(t *testing.T, answer []byte, coding string) (body string, largest int) {
	t.Helper()
	var budget *memory.Budget
	share := budget.Share(memory.Answer)
	_, parts, err := responseOf(t.Context(), &jobs.Job{Answer: answer, Coding: coding}, &share)
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for part := range parts {
		all = append(all, part...)
		largest = max(largest, len(part))
	}
	return string(all), largest
}

// TestAnswersAreWrittenInParts: however they are cut, the document has the body that encoding/json would write.
func TestAnswersAreWrittenInParts(t *testing.T) {
	t.Parallel()
	const face = "\U0001F600" // four bytes
	for name, answer := range map[string]string{
		"nothing": "", "quotes": `he said "\`, "control characters": strings.Repeat("\x00", 3*quotedPart),
		"one part": strings.Repeat("x", quotedPart), "one part and a byte": strings.Repeat("x", quotedPart+1),
		"a face at a cut, 1": strings.Repeat("x", quotedPart-1) + face, "2": strings.Repeat("x", quotedPart-2) + face,
		"3": strings.Repeat("x", quotedPart-3) + face, "4": strings.Repeat("x", quotedPart-4) + face + "x",
		"stray bytes after it": strings.Repeat("x", quotedPart-4) + face + "\x80\x80\x80",
		"stray bytes":          strings.Repeat("\x80", 3*quotedPart), "half a face": "x" + face[:2],
	} {
		want, err := json.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		var got, expected string
		body, largest := bodyOf(t, []byte(answer), "")
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := json.Unmarshal(want, &expected); err != nil || got != expected {
			t.Errorf("%s: another text of %d bytes, want %d", name, len(got), len(expected))
		}
		if largest > 2*step {
			t.Errorf("%s: a part of %d bytes", name, largest)
		}
		encoded, _ := bodyOf(t, []byte(answer), "br")
		if encoded != `"`+base64.StdEncoding.EncodeToString([]byte(answer))+`"` {
			t.Errorf("%s: not base64", name)
		}
	}
	document := []byte(`{"a": [` + strings.Repeat(`"<&>", `, step) + "1]}\n")
	if body, largest := bodyOf(t, slices.Clone(document), ""); body != string(document) || largest > step {
		t.Errorf("JSON is not passed on as it is: %d bytes of %d, at most %d in a part", len(body), len(document),
			largest)
	}
}
