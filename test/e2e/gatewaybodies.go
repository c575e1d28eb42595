package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// bodies sends a body that is too large, once with a Content-Length and once in chunks. The service refuses both.
func bodies(r *release) (string, error) {
	var said []string
	for _, how := range []string{"", "&chunked=1"} {
		found, err := r.flood("rate=1&seconds=1&addresses=1&size=%d%s", 40<<20, how)
		if err != nil || found["413"] != 1 {
			return "", fmt.Errorf("%v %w", found, err)
		}
		said = append(said, "413")
	}
	return "declared and chunked " + strings.Join(said, " and "), nil
}

// unfinishedBody measures when the gateway ends a request whose body does not end.
func unfinishedBody(r *release) (string, error) {
	out, err := r.raw("get", "pods/load:8080", "/unfinished?url="+url.QueryEscape(gatewayURL), "")
	if err != nil {
		return "", err
	}
	var took struct{ Seconds float64 }
	if err := json.Unmarshal([]byte(out), &took); err != nil || took.Seconds > unfinishedLimit {
		return "", fmt.Errorf("ended after %.1f s: %w", took.Seconds, err)
	}
	return fmt.Sprintf("ended after %.1f s at a readTimeout of 5 s", took.Seconds), nil
}

// firstEvent asks for a stream. A gateway that buffers answers would send the first event with the last.
func firstEvent(r *release) (string, error) {
	out, err := r.raw("get", "pods/load:8080", "/first?url="+url.QueryEscape(gatewayURL), "")
	if err != nil {
		return "", err
	}
	var times struct{ First, All float64 }
	if err := json.Unmarshal([]byte(out), &times); err != nil || times.First > streamShare*times.All {
		return "", fmt.Errorf("first event after %.1f s of %.1f s: %w", times.First, times.All, err)
	}
	return fmt.Sprintf("after %.1f s of %.1f s", times.First, times.All), nil
}
