package upstream

import (
	"strings"
	"testing"
)

func TestHeadersThatAreNeverPassed(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"authorization": "never passed on", "x-api-key": "never passed on", "cookie": "never passed on",
		"Transfer-Encoding": "never passed on", "host": "never passed on", "x-forwarded-for": "never passed on",
		"x-request-id": "never passed on", "my-key": "which is VENDOR_AUTH_HEADER",
		"a b": "letters, digits and hyphens", "none": "use it alone",
		"": "letters, digits and hyphens", "openai-organization": "", "anthropic-beta": "",
	} {
		err := Config{AuthHeader: "My-Key", PassHeaders: []string{"openai-beta", name}}.validatePassed()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if names := (Config{PassHeaders: []string{"none"}}).passed(); names != nil {
		t.Errorf("none passes %v", names)
	}
}
