package script

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

// moment is an arbitrary time, to check a header value without sending it.
var moment = time.Unix(0, 0)

// later matches a time in a header value: "@now+N", with N in seconds, is an HTTP date; " as epoch", " as epoch ms" and
// " as RFC 3339" select other formats.
var later = regexp.MustCompile(`@now(?:([+-]\d{1,9}))?(?: as (HTTP date|epoch ms|epoch|RFC 3339))?`)

// stamp fills in the times of a header value.
func stamp(value string, now time.Time) (string, error) {
	var wrong error
	stamped := later.ReplaceAllStringFunc(value, func(s string) string {
		parts, shift := later.FindStringSubmatch(s), 0
		if parts[1] != "" {
			n, err := strconv.Atoi(parts[1])
			if err != nil {
				wrong = fmt.Errorf("%q: %w", s, err)
			}
			shift = n
		}
		at := now.Add(time.Duration(shift) * time.Second)
		switch parts[2] {
		case "epoch":
			return strconv.FormatInt(at.Unix(), 10)
		case "epoch ms":
			return strconv.FormatInt(at.UnixMilli(), 10)
		case "RFC 3339":
			return at.UTC().Format(time.RFC3339)
		}
		return at.UTC().Format(http.TimeFormat)
	})
	return stamped, wrong
}
