package quota

import (
	"errors"
	"fmt"
	"time"
)

// Config is the vendor's contract and how pods share it.
type Config struct {
	// Vendor calls all pods together may start in any QUOTA_WINDOW. 0 means not limited.
	Requests int `split_words:"true" default:"0" desc:"Vendor calls all pods together may start in any QUOTA_WINDOW. 0 means not limited."`
	// Tokens all pods together may use in any QUOTA_WINDOW, prompt and completion. 0 means not limited.
	Tokens int `split_words:"true" default:"0" desc:"Tokens all pods together may use in any QUOTA_WINDOW, prompt and completion. 0 means not limited."`
	// The window of the contract, the same for all services that share it.
	Window time.Duration `split_words:"true" default:"60s" desc:"The window of the contract, the same for all services that share it."`
	// Calls of QUOTA_REQUESTS that may start at once after a quiet time. 0 means 2 %, at least 1.
	Burst int `split_words:"true" default:"0" desc:"Calls of QUOTA_REQUESTS that may start at once after a quiet time. 0 means 2 %, at least 1."`
	// Pods that divide the contract while Redis is away; at least as many as ever run.
	Shares int `split_words:"true" default:"10" desc:"Pods that divide the contract while Redis is away; at least as many as ever run."`
	// While Redis is away: share (each pod keeps to its share of the contract) or reject (no call starts).
	Fallback string `split_words:"true" default:"share" desc:"While Redis is away: share (each pod keeps to its share of the contract) or reject (no call starts)."`
}

// The values of Config.Fallback. Empty means share.
const (
	fallbackShare  = "share"
	fallbackReject = "reject"
)

// on reports whether the contract limits anything.
func (c Config) on() bool { return c.Requests > 0 || c.Tokens > 0 }

// Validate reports every value that makes no sense.
func (c Config) Validate() error {
	var errs []error
	if c.Requests < 0 {
		errs = append(errs, fmt.Errorf("QUOTA_REQUESTS is %d: "+
			"use the contract's calls per QUOTA_WINDOW, or 0 for no limit", c.Requests))
	}
	if c.Tokens < 0 {
		errs = append(errs, fmt.Errorf("QUOTA_TOKENS is %d: "+
			"use the contract's tokens per QUOTA_WINDOW, or 0 for no limit", c.Tokens))
	}
	if c.Burst < 0 || c.Requests > 0 && c.Burst > c.Requests {
		errs = append(errs,
			fmt.Errorf("QUOTA_BURST is %d: use 0 for 2 %%, or at most QUOTA_REQUESTS (%d)", c.Burst, c.Requests))
	}
	if c.Fallback != "" && c.Fallback != fallbackShare && c.Fallback != fallbackReject {
		errs = append(errs, fmt.Errorf("QUOTA_FALLBACK is %q: use share or reject", c.Fallback))
	}
	if !c.on() {
		return errors.Join(errs...)
	}
	if c.Window < time.Second || c.Window > 24*time.Hour {
		errs = append(errs, fmt.Errorf("QUOTA_WINDOW is %v: use 1s to 24h, usually 60s", c.Window))
	}
	if c.Shares < 1 {
		errs = append(errs, fmt.Errorf("QUOTA_SHARES is %d: use the number of pods that run at most", c.Shares))
	}
	return errors.Join(errs...)
}
