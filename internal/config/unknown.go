package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// serviceLink matches what Kubernetes injects for every Service of a namespace, unless enableServiceLinks is off: a
// Service named "llm" or "llm-…" would otherwise look like a mistyped setting.
var serviceLink = regexp.MustCompile(`_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$`)

// unknown reports variables with our prefix that no setting has: a mistyped name would otherwise leave its default in
// force without a word.
func unknown(env map[string]string, known []setting) []error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if !strings.HasPrefix(name, Prefix+"_") || serviceLink.MatchString(name) ||
			strings.HasSuffix(name, "_PORT") && strings.Contains(env[name], "://") || // also a service link
			slices.ContainsFunc(known, func(s setting) bool { return s.Name == name }) {
			continue
		}
		if strange := strangeLane(name, known); strange != "" {
			errs = append(errs, errors.New(strange))
		} else if near := closest(name, known); near != "" {
			errs = append(errs, fmt.Errorf("%s is not a setting: did you mean %s?", name, near))
		} else {
			errs = append(errs, fmt.Errorf("%s is not a setting: remove it, or see -config-help", name))
		}
	}
	return errs
}

// closest is the known name with the fewest edits from name, or "" when none is near.
func closest(name string, known []setting) string {
	if len(known) == 0 {
		return ""
	}
	best := slices.MinFunc(known, func(a, b setting) int {
		return cmp.Compare(edits(name, a.Name),
			edits(name, b.Name))
	})
	if edits(name, best.Name) > len(name)/3 {
		return ""
	}
	return best.Name
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
