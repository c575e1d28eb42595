package upstream

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spillway-dev/spillway/internal/memory"
)

// Config says where the vendor is and how to speak to it.
type Config struct {
	// Base URL of the vendor's API, e.g. https://api.openai.com/v1, or the full URL of one endpoint, e.g.
	// https://api.openai.com/v1/chat/completions. Required.
	URL string `split_words:"true" desc:"Base URL of the vendor's API, e.g. https://api.openai.com/v1, or the full URL of one endpoint, e.g. https://api.openai.com/v1/chat/completions. Required."`
	// Endpoints that the vendor has, as chat,embeddings. Empty means the one whose full URL VENDOR_URL is; with a base
	// URL all, and of OpenAI and Anthropic those that they have.
	Endpoints []string `split_words:"true" desc:"Endpoints that the vendor has, as chat,embeddings. Empty means the one whose full URL VENDOR_URL is; with a base URL all, and of OpenAI and Anthropic those that they have."`
	// The vendor's API key. Empty sends no authentication header.
	APIKey string `split_words:"true" desc:"The vendor's API key. Empty sends no authentication header." secret:"true"`
	// File with the vendor's API key, in place of VENDOR_API_KEY, as Kubernetes mounts it from a Secret. It is
	// followed: a rotated key needs no restart.
	APIKeyFile string `split_words:"true" desc:"File with the vendor's API key, in place of VENDOR_API_KEY, as Kubernetes mounts it from a Secret. It is followed: a rotated key needs no restart."`
	// Name of the vendor in Redis keys; services that share a contract share it. Empty means the URL's host.
	Name string `split_words:"true" desc:"Name of the vendor in Redis keys; services that share a contract share it. Empty means the URL's host."`
	// Header that carries the API key.
	AuthHeader string `split_words:"true" default:"Authorization" desc:"Header that carries the API key."`
	// Word before the key in the header; "none" sends the key alone.
	AuthScheme string `split_words:"true" default:"Bearer" desc:"Word before the key in the header; \"none\" sends the key alone."`
	// Further headers for every call, as name:value,name:value.
	Headers Headers `split_words:"true" desc:"Further headers for every call, as name:value,name:value." secret:"true"`
	// Headers of a client that go on to the vendor, as anthropic-beta,openai-project; all others stay here. What
	// chooses whose account pays (openai-organization, openai-project) goes on only when it is listed. "none" passes
	// none.
	PassHeaders []string `split_words:"true" default:"anthropic-beta,anthropic-version,openai-beta" desc:"Headers of a client that go on to the vendor, as anthropic-beta,openai-project; all others stay here. What chooses whose account pays (openai-organization, openai-project) goes on only when it is listed. \"none\" passes none."`
	// Connections to the vendor at most. 0 means as many as SLOTS; fewer than SLOTS is refused.
	Pool int `split_words:"true" default:"0" desc:"Connections to the vendor at most. 0 means as many as SLOTS; fewer than SLOTS is refused."`
	// Time to connect, and again for the TLS handshake.
	ConnectTimeout time.Duration `split_words:"true" default:"5s" desc:"Time to connect, and again for the TLS handshake."`
	// Time for which a connection to the vendor is given calls, so that a change of its DNS name is followed under
	// load. Calls under way end on it. 0 means no limit.
	ConnMaxAge time.Duration `split_words:"true" default:"5m" desc:"Time for which a connection to the vendor is given calls, so that a change of its DNS name is followed under load. Calls under way end on it. 0 means no limit."`
	// Largest buffered answer, or event of a stream, in bytes; a larger one is a vendor error.
	MaxResponse int64 `split_words:"true" default:"16777216" desc:"Largest buffered answer, or event of a stream, in bytes; a larger one is a vendor error."`

	// Memory is the budget that answers take their room from; nil has room for all.
	Memory *memory.Budget `ignored:"true"`

	// Wrap puts a RoundTripper around the connection pool, for a vendor that asks for more than headers: a signature
	// over each request, say. It runs once for each attempt. nil means none.
	Wrap func(http.RoundTripper) http.RoundTripper `ignored:"true"`
}

// Validate reports every value that makes no sense.
func (c Config) Validate() error {
	var errs []error
	if _, err := c.address(); err != nil {
		errs = append(errs, err)
	}
	if c.APIKey != "" && c.APIKeyFile != "" {
		errs = append(errs, errors.New("VENDOR_API_KEY and VENDOR_API_KEY_FILE are both set: use one of them"))
	}
	if c.ConnectTimeout <= 0 {
		errs = append(errs, fmt.Errorf("VENDOR_CONNECT_TIMEOUT is %v: use a positive duration", c.ConnectTimeout))
	}
	if c.ConnMaxAge < 0 {
		errs = append(errs,
			fmt.Errorf("VENDOR_CONN_MAX_AGE is %v: use 0 (no limit) or a positive duration such as 5m", c.ConnMaxAge))
	}
	if c.MaxResponse < 1 {
		errs = append(errs, fmt.Errorf("VENDOR_MAX_RESPONSE is %d: use at least 1 byte", c.MaxResponse))
	}
	if c.Pool < 0 {
		errs = append(errs, fmt.Errorf("VENDOR_POOL is %d: use 0 or more", c.Pool))
	}
	if strings.ContainsAny(c.Name, "{} \t\r\n") {
		errs = append(errs,
			fmt.Errorf("VENDOR_NAME %q must not hold braces or white space: it is part of Redis keys", c.Name))
	}
	if strings.ContainsAny(c.APIKey, "\r\n") {
		errs = append(errs, errors.New("VENDOR_API_KEY holds a line break: remove it. "+
			"A newline at the end of a Secret is the usual reason"))
	}
	if c.APIKey+c.APIKeyFile != "" && !validHeaderName(c.AuthHeader) {
		errs = append(errs,
			fmt.Errorf("VENDOR_AUTH_HEADER is %q: use the name of a header, such as x-api-key", c.AuthHeader))
	}
	errs = append(errs, c.Headers.validate(), c.validatePassed())
	return errors.Join(errs...)
}
