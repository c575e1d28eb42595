package config

import (
	"fmt"
	"log/slog"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// LogValue lists the settings that differ from their defaults, for the line the service logs at its start. Secrets are
// only said to be set.
func (c Config) LogValue() slog.Value {
	all := c.settings()
	var def Config
	defaults := def.settings()
	var attrs []slog.Attr
	for i, s := range all {
		if defaults[i].set(s.Default) == nil && s.text() != defaults[i].text() {
			attrs = append(attrs, slog.String(strings.ToLower(strings.TrimPrefix(s.Name, Prefix+"_")), s.text()))
		}
	}
	own, inherited := c.furtherSettings()
	for i, s := range own {
		if s.text() != inherited[i].text() {
			attrs = append(attrs, slog.String(strings.ToLower(strings.TrimPrefix(s.Name, Prefix+"_")), s.text()))
		}
	}
	return slog.GroupValue(attrs...)
}

// text is the value as it may be shown. A password or a query in a URL may be a secret too.
func (s setting) text() string {
	if s.Secret {
		if s.value.IsZero() {
			return ""
		}
		return "(set)"
	}
	if s.value.Kind() == reflect.Map { // as it is written in a setting
		var pairs []string
		for _, key := range s.value.MapKeys() {
			pairs = append(pairs, fmt.Sprint(key, ":", s.value.MapIndex(key)))
		}
		slices.Sort(pairs)
		return strings.Join(pairs, ",")
	}
	text := fmt.Sprint(s.value.Interface())
	if u, err := url.Parse(text); err == nil && u.Host != "" && (u.User != nil || u.RawQuery != "") {
		return redacted(u)
	}
	return text
}

// redacted is u without its password and without the values of its query, where some vendors want an API key.
func redacted(u *url.URL) string {
	hidden := *u
	query := url.Values{}
	for name := range u.Query() {
		query.Set(name, "xxxxx")
	}
	hidden.RawQuery = query.Encode()
	return hidden.Redacted()
}
