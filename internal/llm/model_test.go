package llm

import (
	"encoding/json"
	"testing"
)

// TestModelHasBothVendorsMembers, and keeps its own.
func TestModelHasBothVendorsMembers(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]string{
		`{"id":"gpt","object":"model","created":86400,"owned_by":"openai","x":{"y":[12345678901234567890]}}`: `{"id":"gpt",` +
			`"object":"model","created":86400,"owned_by":"openai","x":{"y":[12345678901234567890]},"type":"model",` +
			`"display_name":"gpt","created_at":"1970-01-02T00:00:00Z"}`,
		`{"type":"model","id":"claude","display_name":"Claude","created_at":"1970-01-02T00:00:00Z"}`: `{"id":"claude","object":"model",` +
			`"created":86400,"owned_by":"v","type":"model","display_name":"Claude","created_at":"1970-01-02T00:00:00Z"}`,
		`{"id":"odd","created":-1e300,"created_at":7}`: `{"id":"odd","created":-1e300,"created_at":7,"object":"model","owned_by":"v",` +
			`"type":"model","display_name":"odd"}`,
	} {
		m, err := ReadModel([]byte(document), "v")
		if err != nil {
			t.Errorf("%s: %v", document, err)
			continue
		}
		if !sameJSON(t, m.Document, []byte(want)) {
			t.Errorf("%s becomes %s", document, m.Document)
		}
	}
	for _, wrong := range []string{`{}`, `{"id":7}`, `[]`, `null`, `7`, `{"id":"`} {
		if m, err := ReadModel([]byte(wrong), "v"); err == nil {
			t.Errorf("%s is taken for %+v", wrong, m)
		}
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y map[string]json.RawMessage
	if err := json.Unmarshal(a, &x); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &y); err != nil {
		t.Fatal(err)
	}
	for name := range x {
		if string(x[name]) != string(y[name]) {
			return false
		}
	}
	return len(x) == len(y)
}
