package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spillway-dev/spillway/internal/llm/chain"
)

// Problems is everything that is wrong with a configuration, one line each.
type Problems []string

// Error lists the problems.
func (p Problems) Error() string {
	what := "1 problem"
	if len(p) != 1 {
		what = fmt.Sprintf("%d problems", len(p))
	}
	return fmt.Sprintf("the configuration has %s:\n  - %s", what, strings.Join(p, "\n  - "))
}

// problems makes one list of errs, the joined ones taken apart, or nil. The packages name their settings without the
// prefix, which is not theirs to know; here it is put before every known name, so that a reader can copy it.
func problems(errs []error, known []setting) error {
	var names []string
	for _, s := range known {
		names = append(names, regexp.QuoteMeta(strings.TrimPrefix(s.Name, Prefix+"_")))
	}
	short := regexp.MustCompile(`\b(` + strings.Join(names, "|") + `)\b`)
	var list Problems
	for _, err := range flatten(errs) {
		if ofLane, ok := errors.AsType[*chain.LaneError](err); ok {
			rename := laneNames(ofLane.Lane, known)
			for _, err := range flatten([]error{ofLane.Err}) {
				list = append(list, short.ReplaceAllString(rename(err.Error()), Prefix+"_$1"))
			}
			continue
		}
		list = append(list, short.ReplaceAllString(err.Error(), Prefix+"_$1"))
	}
	slices.Sort(list) // maps are ranged over on the way here
	if len(list) == 0 {
		return nil
	}
	return slices.Compact(list)
}

func flatten(errs []error) []error {
	var flat []error
	for _, err := range errs {
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			flat = append(flat, flatten(joined.Unwrap())...)
		} else if err != nil {
			flat = append(flat, err)
		}
	}
	return flat
}
