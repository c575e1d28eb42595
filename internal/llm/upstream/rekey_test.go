package upstream_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
)

// rotating is a vendor that withdraws its key while a call with that key is under way, as often as it is told to. Each
// time the file has the next key already, but the watcher of the file has not read it yet.
type rotating struct {
	path      string
	rotations int

	key  int // that is in force: sk-0, sk-1, ...
	keys []string
}

func (v *rotating) write(t testing.TB) {
	llmtest.OK(t, os.WriteFile(v.path, fmt.Appendf(nil, "sk-%d\n", v.key), 0o600))
}

// caller returns a Caller whose vendor is v, without retries.
func (v *rotating) caller(t testing.TB) llmtest.Local {
	v.path = filepath.Join(t.TempDir(), "key")
	v.write(t)
	cfg := llmtest.Config()
	cfg.Vendor.APIKey, cfg.Vendor.APIKeyFile, cfg.Retry.Max = "", v.path, 0
	return llmtest.Caller(t, cfg, func(r *http.Request) (*http.Response, error) {
		v.keys = append(v.keys, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		if v.rotations > 0 {
			v.rotations--
			v.key++
			v.write(t)
			return llmtest.Answer(http.StatusUnauthorized, nil, ""), nil
		}
		return llmtest.Answer(http.StatusOK, http.Header{"Content-Type": {"application/json"}}, "{}"), nil
	})
}

// TestARotationWithoutOverlapLosesNoCall: the key is looked for in the file when the vendor refuses it, and the call is
// made again with another key, once, whatever the budget for retries is.
func TestARotationWithoutOverlapLosesNoCall(t *testing.T) {
	t.Parallel()
	v := rotating{rotations: 1}
	caller := v.caller(t)
	call := llmtest.NewCall()
	resp, err := caller.Do(t.Context(), call)
	llmtest.OK(t, err)
	resp.Close()
	if got := strings.Join(v.keys, " "); got != "sk-0 sk-1" || call.Attempts != 2 {
		t.Errorf("called with %s, %d attempts", got, call.Attempts)
	}
}

// TestACallIsMadeAgainForAnotherKeyOnce: a vendor that refuses every key sees two attempts, and one that refuses the
// key in the file sees one.
func TestACallIsMadeAgainForAnotherKeyOnce(t *testing.T) {
	t.Parallel()
	v := rotating{rotations: 5}
	caller := v.caller(t)
	_, err := caller.Do(t.Context(), llmtest.NewCall())
	if failed, ok := errors.AsType[*llm.VendorError](err); !ok || failed.Kind != llm.KindAuth || len(v.keys) != 2 {
		t.Errorf("%v after calls with %v", err, v.keys)
	}

	calls := 0
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		calls++
		w.WriteHeader(http.StatusUnauthorized)
	})
	path := filepath.Join(t.TempDir(), "key")
	llmtest.OK(t, os.WriteFile(path, []byte("sk-wrong"), 0o600))
	_, out := vendorAt(t, url, func(c *chain.Config) { c.Vendor.APIKey, c.Vendor.APIKeyFile = "", path }).
		Send(t.Context(), llmtest.NewCall())
	if failed, ok := errors.AsType[*llm.VendorError](out.Err); !ok || failed.KeyChanged || calls != 1 {
		t.Errorf("the key in the file is refused: %v, %d calls", out.Err, calls)
	}
}
