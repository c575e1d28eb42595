package telemetry

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// otlpConfig holds the settings in the standard variables.
type otlpConfig struct {
	url     string
	headers http.Header
	timeout time.Duration // for a batch, with every attempt
	gzip    bool
}

// newOTLP reads the OTEL_EXPORTER_OTLP_* variables: ENDPOINT, HEADERS, TIMEOUT, COMPRESSION, CERTIFICATE,
// CLIENT_CERTIFICATE and CLIENT_KEY. Each may have a value for traces alone: OTEL_EXPORTER_OTLP_TRACES_*.
func newOTLP(lookup func(string) string) (*otlp, error) {
	get := func(name string) string {
		return cmp.Or(lookup("OTEL_EXPORTER_OTLP_TRACES_"+name), lookup("OTEL_EXPORTER_OTLP_"+name))
	}
	if protocol := get("PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q: spans are sent as http/protobuf only; "+
			"collectors accept it on port 4318, and gRPC on 4317", protocol)
	}
	var o otlp
	var errs [5]error
	o.url, errs[0] = tracesURL(lookup)
	o.headers, errs[1] = pairs(get("HEADERS"))
	o.timeout, errs[2] = milliseconds(cmp.Or(get("TIMEOUT"), "10000"))
	o.gzip, errs[3] = compression(get("COMPRESSION"))
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig, errs[4] = certificates(get("CERTIFICATE"), get("CLIENT_CERTIFICATE"), get("CLIENT_KEY"))
	// A connection that was cut without a word is given up at the first batch that it does not take.
	transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: 3 * time.Second, PingTimeout: 2 * time.Second}
	o.client.Transport = transport
	return &o, errors.Join(errs[:]...)
}

// tracesURL returns the URL for traces. The variable for traces has the whole URL; the variable for all signals has the
// root of the paths.
func tracesURL(lookup func(string) string) (string, error) {
	text, own := lookup("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), true
	if text == "" {
		text, own = lookup("OTEL_EXPORTER_OTLP_ENDPOINT"), false
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", errors.New("OTEL_EXPORTER_OTLP_ENDPOINT is not a URL: use one such as http://collector:4318")
	}
	if !own {
		u = u.JoinPath("v1/traces")
	}
	return u.String(), nil
}

// pairs reads headers in the form of W3C baggage: name=value,name=value, with URL escapes in the values.
func pairs(text string) (http.Header, error) {
	headers := http.Header{}
	for pair := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, escaped, found := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(escaped))
		if name = strings.TrimSpace(name); !found || name == "" || err != nil {
			return nil, errors.New("OTEL_EXPORTER_OTLP_HEADERS: use name=value,name=value")
		}
		headers.Set(name, value)
	}
	return headers, nil
}

func milliseconds(text string) (time.Duration, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("OTEL_EXPORTER_OTLP_TIMEOUT is %q: not a whole number of milliseconds above 0", text)
	}
	return time.Duration(n) * time.Millisecond, nil
}

func compression(text string) (gzip bool, err error) {
	if text != "" && text != "none" && text != "gzip" {
		return false, fmt.Errorf("OTEL_EXPORTER_OTLP_COMPRESSION is %q: use gzip or none", text)
	}
	return text == "gzip", nil
}

// certificates reads the certificate authority of the collector and this client's certificate and key from files.
// Without files the system's authorities apply.
func certificates(authority, certificate, key string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if authority != "" {
		pem, err := os.ReadFile(authority)
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: %s has no certificate in PEM", authority)
		}
	}
	if certificate != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and _CLIENT_KEY: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
