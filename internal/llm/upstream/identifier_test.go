package upstream_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
)

// TestLongIdentifiersOfVendorsAreNotKept: what a vendor names a request and an error is logged and passed on, so a
// long text is none.
func TestLongIdentifiersOfVendorsAreNotKept(t *testing.T) {
	t.Parallel()
	for _, length := range []int{10, 1000} {
		name := strings.Repeat("x", length)
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Request-Id", name)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte(`{"error":{"message":"m","code":"` + name + `","type":"` + name + `"}}`))
		})
		_, out := vendorAt(t, url, nil).Send(t.Context(), llmtest.NewCall())
		failed, ok := errors.AsType[*llm.VendorError](out.Err)
		if !ok {
			t.Fatalf("got %v", out.Err)
		}
		for _, kept := range []string{failed.Code, failed.Type, failed.RequestID} {
			if want := length <= 10; (kept == name) != want || kept != "" && !want {
				t.Errorf("of %d bytes %d are kept", length, len(kept))
			}
		}
	}
}
