package upstream

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/follow"
	"github.com/spillway-dev/spillway/internal/llm"
)

// authenticate gives every request from now on the key of cfg. A key in a file is followed: a request carries the key
// that is in force when it is sent, and those under way are not touched.
func (v *Vendor) authenticate(cfg Config, log *slog.Logger, reg prometheus.Registerer) (err error) {
	v.useKey(cfg, cfg.APIKey)
	v.keyFile, err = follow.Open(follow.Config{
		Path: cfg.APIKeyFile, What: "vendor API key", Metric: "llm_vendor_key_stale_seconds",
		Take: func(text []byte) (inForce bool, err error) {
			key, err := follow.Line(text)
			if err != nil {
				return false, err
			}
			v.useKey(cfg, key)
			return true, nil
		},
	}, log, reg)
	return err
}

// lookForKey marks a refusal of the key that used has when another key is in force by now. A file with the key is read
// at once for that: the vendor may have put an end to the former key before this pod noticed that the file had changed.
func (v *Vendor) lookForKey(ctx context.Context, used *http.Header, err error) {
	failed, ok := errors.AsType[*llm.VendorError](err)
	if !ok || failed.Kind != llm.KindAuth || failed.Streamed {
		return
	}
	if v.header.Load() == used {
		v.keyFile.Reload(ctx)
	}
	failed.KeyChanged = v.header.Load() != used
}

// useKey makes the headers of all requests from now on.
func (v *Vendor) useKey(cfg Config, key string) {
	header := http.Header{
		"Content-Type": {"application/json"}, "Accept-Encoding": {"identity"}, "User-Agent": {"spillway"},
	}
	for name, value := range cfg.Headers {
		header.Set(name, value)
	}
	if key != "" {
		if cfg.AuthScheme != "" && cfg.AuthScheme != "none" {
			key = cfg.AuthScheme + " " + key
		}
		header.Set(cfg.AuthHeader, key)
	}
	v.header.Store(&header)
}

// Trouble says for operators what is wrong with the file that the key is in; "" when nothing is, and without a file.
func (v *Vendor) Trouble() string { return v.keyFile.Trouble() }
