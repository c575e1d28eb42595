package upstream

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spillway-dev/spillway/internal/llm"
)

// address says which endpoints a vendor has, and their URLs.
type address struct {
	own     *llm.Endpoint   // the endpoint of a call that names none
	speaks  []*llm.Endpoint // what the vendor has
	urls    map[*llm.Endpoint]*url.URL
	byModel bool     // the name of the model stands in the path
	models  *url.URL // of the vendor's list of models; nil when it has none
}

// knownVendor is what is known of a vendor by its host.
type knownVendor struct {
	base   string // the path of its API
	speaks []string
}

// knownVendors are the vendors, by host, whose endpoints are known. Any other vendor is taken to have all endpoints.
var knownVendors = map[string]knownVendor{
	"api.openai.com":    {"/v1", []string{"chat", "completions", "responses", "embeddings", "moderations"}},
	"api.anthropic.com": {"/v1", []string{"messages"}},
}

// address reads URL and Endpoints. URL takes one of these forms:
//
//	https://api.openai.com/v1                        the base; endpoints are below it
//	https://api.openai.com/v1/chat/completions       one endpoint, known by its path
//	https://r.openai.azure.com/openai/deployments/{model}?api-version=…   the same, with the call's model in the path
//	https://vendor.example/generate#chat             one endpoint at a path of its own, known by the name behind the #
func (c Config) address() (address, error) {
	u, err := url.Parse(c.URL)
	switch {
	case c.URL == "" || err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return address{}, errors.New("VENDOR_URL must be an http(s) URL: " +
			"the base of the vendor's API, e.g. https://api.openai.com/v1, " +
			"or the full URL of one endpoint, e.g. https://api.openai.com/v1/chat/completions")
	case u.User != nil:
		return address{}, errors.New("VENDOR_URL holds a user or a password, which would be shown where URLs are: " +
			"remove it; set VENDOR_AUTH_SCHEME to Basic and VENDOR_API_KEY to the base64 of user:password")
	}
	known := knownVendors[u.Hostname()]
	name := u.Fragment
	u.Fragment, u.Path, u.RawPath = "", strings.TrimRight(u.Path, "/"), ""
	if name != "" {
		return c.alone(u, name)
	}
	own, base := llm.EndpointAt(u.Path)
	if own == nil && u.Path == "" && known.base != "" {
		return address{}, fmt.Errorf("VENDOR_URL has no path: the base of this vendor's API is %s://%s%s", u.Scheme,
			u.Host, known.base)
	}
	names := c.Endpoints
	switch {
	case len(names) > 0:
	case own != nil:
		names = []string{own.Name}
	default:
		names, base = known.speaks, u.Path
	}
	if own == nil {
		base = u.Path
	}
	speaks, err := endpoints("VENDOR_ENDPOINTS", names)
	if err != nil {
		return address{}, err
	}
	if own == nil || !slices.Contains(speaks, own) {
		own = speaks[0]
	}
	a := address{own: own, speaks: speaks, urls: map[*llm.Endpoint]*url.URL{}, models: below(u, base, llm.Models)}
	for _, e := range speaks {
		a.urls[e] = below(u, base, e)
	}
	if a.byModel = strings.Contains(base, modelInPath); a.byModel {
		a.models = nil
	}
	return a, nil
}

// alone is the address of a vendor that has one endpoint at a path of its own.
func (c Config) alone(u *url.URL, name string) (address, error) {
	only, err := endpoints("VENDOR_URL", []string{name})
	if err != nil {
		return address{}, err
	}
	if len(c.Endpoints) > 0 && !slices.Equal(c.Endpoints, []string{name}) {
		return address{}, fmt.Errorf("VENDOR_ENDPOINTS is %s, and VENDOR_URL is the URL of %s alone: "+
			"leave the first out, or make the second the base of the vendor's API",
			strings.Join(c.Endpoints, ","), name)
	}
	return address{own: only[0], speaks: only, urls: map[*llm.Endpoint]*url.URL{only[0]: u}}, nil
}

// below is the URL of an endpoint below a base. What u has as its query stays.
func below(u *url.URL, base string, e *llm.Endpoint) *url.URL {
	at := *u
	at.Path = base + e.Path
	return &at
}

// endpoints looks up the names that a setting lists. An empty list stands for all.
func endpoints(setting string, names []string) ([]*llm.Endpoint, error) {
	if len(names) == 0 {
		return llm.Endpoints, nil
	}
	var all []*llm.Endpoint
	for _, name := range names {
		e := llm.EndpointNamed(name)
		if e == nil {
			return nil, fmt.Errorf("%s names the endpoint %q, which is not known: use %s", setting, name,
				llm.EndpointNames())
		}
		if slices.Contains(all, e) {
			return nil, fmt.Errorf("%s names %q twice", setting, name)
		}
		all = append(all, e)
	}
	return all, nil
}

// Speaks reports whether the vendor has an endpoint.
func (c Config) Speaks(e *llm.Endpoint) bool {
	a, err := c.address()
	return err == nil && slices.Contains(a.speaks, e)
}

// Speaks reports whether the vendor has an endpoint.
func (v *Vendor) Speaks(e *llm.Endpoint) bool { return v.at.urls[e] != nil }

// Own is the endpoint of calls that name none.
func (v *Vendor) Own() *llm.Endpoint { return v.at.own }

// asked is the endpoint of a call.
func (v *Vendor) asked(call *llm.Call) *llm.Endpoint {
	if v.Speaks(call.Endpoint) {
		return call.Endpoint
	}
	return v.at.own
}

// modelInPath stands for the name of the model in the path of a vendor that has a path for each.
const modelInPath = "{model}"

// url is where a call goes. The client's api-version replaces the one of the settings.
func (v *Vendor) url(call *llm.Call) *url.URL {
	u := v.at.urls[v.asked(call)]
	if !v.at.byModel && call.APIVersion == "" {
		return u
	}
	own := *u
	if v.at.byModel {
		model := call.Payload.Model
		if model == "." || model == ".." { // in a path they lead to another one, and no model has such a name
			model = "_"
		}
		own.Path = strings.ReplaceAll(u.Path, modelInPath, model)
		own.RawPath = strings.ReplaceAll(u.Path, modelInPath, url.PathEscape(model))
	}
	if call.APIVersion != "" {
		query := own.Query()
		query.Set("api-version", call.APIVersion)
		own.RawQuery = query.Encode()
	}
	return &own
}
