package middleware_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/middleware"
)

func TestIdentity(t *testing.T) {
	t.Parallel()
	keys := newKeys(t, keyLine("key-of-ada", "ada", "pro")+keyLine("key-of-bob", "bob", "free"))
	h := chain(func(c *gin.Context) {
		in := middleware.InfoFrom(c.Request.Context())
		c.String(http.StatusOK, in.User+" "+in.Tier)
	}, middleware.RequestID(), middleware.Identity(config(), keys, fail))
	for name, tt := range map[string]struct {
		headers []string
		who     string // "" is refused
	}{
		"bearer":                  {[]string{"Authorization", "Bearer key-of-ada"}, "ada pro"},
		"scheme in small letters": {[]string{"Authorization", "bearer  key-of-bob "}, "bob free"},
		"own header":              {[]string{"X-API-Key", "key-of-ada"}, "ada pro"},
		"bearer wins": {[]string{"Authorization", "Bearer key-of-ada", "X-API-Key", "key-of-bob"},
			"ada pro"},
		"other scheme beside key": {[]string{"Authorization", "Basic Zm9v", "X-API-Key", "key-of-bob"}, "bob free"},
		"bad bearer beside key":   {[]string{"Authorization", "Bearer unknown", "X-API-Key", "key-of-bob"}, ""},
		"nothing":                 {nil, ""},
		"empty":                   {[]string{"Authorization", "Bearer ", "X-API-Key", ""}, ""},
		"unknown":                 {[]string{"X-API-Key", "key-of-eve"}, ""},
		"other scheme":            {[]string{"Authorization", "Basic key-of-ada"}, ""},
		"the hash itself":         {[]string{"X-API-Key", strings.Fields(keyLine("key-of-ada", "", ""))[0]}, ""},
		"bytes of all kinds":      {[]string{"X-API-Key", "\x00\xff\"'\\ä"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := post(h, tt.headers...)
			if tt.who != "" {
				if w.Code != http.StatusOK || w.Body.String() != tt.who {
					t.Errorf("answered %d %s", w.Code, w.Body)
				}
				return
			}
			if w.Code != http.StatusUnauthorized || w.Body.String() != "unauthenticated" {
				t.Errorf("answered %d %s", w.Code, w.Body)
			}
			if got := w.Header().Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer realm=") {
				t.Errorf("WWW-Authenticate is %q", got)
			}
		})
	}
}

func TestKeysStayOutOfTheLog(t *testing.T) {
	t.Parallel()
	log, logged := newLog(slog.LevelDebug)
	keys := newKeys(t, keyLine("key-of-ada", "ada", "pro"))
	h := chain(served, middleware.RequestID(), middleware.AccessLog(log, nil),
		middleware.Identity(config(), keys, fail))
	post(h, "Authorization", "Bearer key-of-ada")
	post(h, "Authorization", "Bearer key-of-eve")
	if len(logged.all) != 2 {
		t.Fatalf("%d lines", len(logged.all))
	}
	for _, line := range logged.all {
		for key, value := range line {
			if text, _ := value.(string); strings.Contains(text, "key-of") {
				t.Errorf("%s is %q", key, text)
			}
		}
	}
}
