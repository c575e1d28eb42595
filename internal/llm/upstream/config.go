package upstream

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spillway-dev/spillway/internal/memory"
)

// Config says where the vendor is and how to speak to it.
type Config struct {
	URL            string        `split_words:"true" desc:"Full URL that calls are POSTed to, e.g. https://api.openai.com/v1/chat/completions. Required."`
	APIKey         string        `split_words:"true" desc:"The vendor's API key. Empty sends no authentication header." secret:"true"`
	APIKeyFile     string        `split_words:"true" desc:"File with the vendor's API key, in place of VENDOR_API_KEY, as Kubernetes mounts it from a Secret. It is followed: a rotated key needs no restart."`
	Name           string        `split_words:"true" desc:"Name of the vendor in Redis keys; services that share a contract share it. Empty means the URL's host."`
	AuthHeader     string        `split_words:"true" default:"Authorization" desc:"Header that carries the API key."`
	AuthScheme     string        `split_words:"true" default:"Bearer" desc:"Word before the key in the header; \"none\" sends the key alone."`
	Headers        Headers       `split_words:"true" desc:"Further headers for every call, as name:value,name:value." secret:"true"`
	Pool           int           `split_words:"true" default:"0" desc:"Connections to the vendor at most. 0 means as many as SLOTS; fewer than SLOTS is refused."`
	ConnectTimeout time.Duration `split_words:"true" default:"5s" desc:"Time to connect, and again for the TLS handshake."`
	MaxResponse    int64         `split_words:"true" default:"16777216" desc:"Largest buffered answer, or event of a stream, in bytes; a larger one is a vendor error."`

	// Memory is the budget that answers take their room from; nil has room for all.
	Memory *memory.Budget `ignored:"true"`

	// Wrap puts a RoundTripper around the connection pool, for a vendor that asks for more than headers: a signature over
	// each request, say. It runs once for each attempt. nil means none.
	Wrap func(http.RoundTripper) http.RoundTripper `ignored:"true"`
}

// Validate reports every value that makes no sense.
func (c Config) Validate() error {
	var errs []error
	if u, err := url.Parse(c.URL); c.URL == "" || err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		errs = append(errs, errors.New("VENDOR_URL must be the full http(s) URL that calls are POSTed to, e.g. https://api.openai.com/v1/chat/completions"))
	}
	if u, err := url.Parse(c.URL); err == nil && u.User != nil {
		errs = append(errs, errors.New("VENDOR_URL holds a user or a password, which would be shown where URLs are: remove it; "+
			"set VENDOR_AUTH_SCHEME to Basic and VENDOR_API_KEY to the base64 of user:password"))
	}
	if c.APIKey != "" && c.APIKeyFile != "" {
		errs = append(errs, errors.New("VENDOR_API_KEY and VENDOR_API_KEY_FILE are both set: use one of them"))
	}
	if c.ConnectTimeout <= 0 {
		errs = append(errs, fmt.Errorf("VENDOR_CONNECT_TIMEOUT is %v: use a positive duration", c.ConnectTimeout))
	}
	if c.MaxResponse < 1 {
		errs = append(errs, fmt.Errorf("VENDOR_MAX_RESPONSE is %d: use at least 1 byte", c.MaxResponse))
	}
	if c.Pool < 0 {
		errs = append(errs, fmt.Errorf("VENDOR_POOL is %d: use 0 or more", c.Pool))
	}
	if strings.ContainsAny(c.Name, "{} \t\r\n") {
		errs = append(errs, fmt.Errorf("VENDOR_NAME %q must not hold braces or white space: it is part of Redis keys", c.Name))
	}
	if strings.ContainsAny(c.APIKey, "\r\n") {
		errs = append(errs, errors.New("VENDOR_API_KEY holds a line break: remove it, a trailing newline in a Secret is the usual reason"))
	}
	if c.APIKey+c.APIKeyFile != "" && !validHeaderName(c.AuthHeader) {
		errs = append(errs, fmt.Errorf("VENDOR_AUTH_HEADER is %q: use the name of a header, such as x-api-key", c.AuthHeader))
	}
	errs = append(errs, c.Headers.validate())
	return errors.Join(errs...)
}
