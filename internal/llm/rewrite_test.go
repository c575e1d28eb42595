package llm_test

import (
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/llm"
)

// BenchmarkWithModel takes no memory for the body, however large that is.
func BenchmarkWithModel(b *testing.B) {
	body := []byte(`{"model":"m","messages":[{"content":"` + strings.Repeat("x", 10<<20) + `"}]}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		llm.WithModel(body, "another")
	}
}
