package chain

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maxLanes bounds the lanes beside the default one, and so the values of the label "lane".
const maxLanes = 8

// laneName is the form of a lane's name. The name is part of the names of variables, so it has no hyphen.
var laneName = regexp.MustCompile(`^[a-z][a-z0-9]{0,19}$`)

// LaneError says what is wrong with the settings of one further lane. The text of Err has the names of the default
// lane's settings.
type LaneError struct {
	Lane string
	Err  error
}

// Error names the lane and says what is wrong.
func (e *LaneError) Error() string { return "lane " + e.Lane + ": " + e.Err.Error() }

// Unwrap returns what is wrong.
func (e *LaneError) Unwrap() error { return e.Err }

// validateLanes reports what is wrong with each further lane, and what makes no sense between lanes.
func (c Config) validateLanes() (errs []error) {
	for _, lane := range c.Further {
		if err := lane.validate(c); err != nil {
			errs = append(errs, &LaneError{lane.Name, err})
		}
	}
	errs = append(errs, c.validateNames()...)
	errs = append(errs, c.validateFallbacks()...)
	errs = append(errs, c.validateContracts()...)
	return append(errs, c.validateModels()...)
}

func (c Config) validateNames() (errs []error) {
	if len(c.Lanes) > maxLanes {
		errs = append(errs, fmt.Errorf("LANES names %d lanes: use at most %d", len(c.Lanes), maxLanes))
	}
	for i, name := range c.Lanes {
		switch {
		case name == Default:
			errs = append(errs, fmt.Errorf("LANES names %q, which is always there: leave it out", name))
		case !laneName.MatchString(name):
			errs = append(errs, fmt.Errorf("LANES names %q: use up to 20 lower-case letters and digits, a letter first",
				name))
		case slices.Index(c.Lanes, name) < i:
			errs = append(errs, fmt.Errorf("LANES names %q twice", name))
		}
	}
	return errs
}

// validateFallbacks reports a fallback that is no lane, and fallbacks that lead back to the lane where they began.
func (c Config) validateFallbacks() (errs []error) {
	next := map[string]string{}
	for _, lane := range c.lanes() {
		next[lane.Name] = lane.Fallback
	}
	for _, lane := range c.lanes() {
		if lane.Fallback == "" {
			continue
		}
		if _, known := next[lane.Fallback]; !known {
			errs = append(errs, fmt.Errorf("%s is %q, which is no lane: name one of LANES, or %q",
				variable(lane.Name, "FALLBACK"), lane.Fallback, Default))
			continue
		}
		way := []string{lane.Name}
		for at := lane.Fallback; at != "" && len(way) <= len(next); at = next[at] {
			way = append(way, at)
			if at == lane.Name {
				errs = append(errs, fmt.Errorf("%s leads back to its own lane (%s): let the last lane have no fallback",
					variable(lane.Name, "FALLBACK"), strings.Join(way, ", ")))
				break
			}
		}
	}
	return errs
}

// validateContracts reports a lane without a contract while another lane has one: a lane whose contract was forgotten
// would not be limited. A contract of 0 is one that was set.
func (c Config) validateContracts() (errs []error) {
	lanes := c.lanes()
	limits := func(l FurtherLane) bool { return l.Quota.Requests > 0 || l.Quota.Tokens > 0 }
	limited := slices.ContainsFunc(lanes, limits)
	for _, lane := range lanes {
		if limited && !lane.ContractSet && !limits(lane) {
			errs = append(errs, fmt.Errorf("%s and %s are missing, and another lane has a contract: "+
				"set what the contract of the lane %s is, or 0 for no limit",
				variable(lane.Name, "QUOTA_REQUESTS"), variable(lane.Name, "QUOTA_TOKENS"), lane.Name))
		}
	}
	return errs
}

// validateModels reports models that two lanes serve, and lanes that no call would reach.
func (c Config) validateModels() (errs []error) {
	for i, lane := range c.Further {
		for _, pattern := range lane.Models {
			if star := strings.IndexByte(pattern, '*'); pattern == "" || star >= 0 && star < len(pattern)-1 {
				errs = append(errs, fmt.Errorf("%s has %q: "+
					"use names of models, with a * at the end for all that begin so",
					variable(lane.Name, "MODELS"), pattern))
			}
			for _, other := range c.Further[:i] {
				if j := slices.IndexFunc(other.Models, func(p string) bool { return overlap(p, pattern) }); j >= 0 {
					errs = append(errs, fmt.Errorf("%s has %q and %s has %q: a model belongs to one lane",
						variable(other.Name, "MODELS"), other.Models[j], variable(lane.Name, "MODELS"), pattern))
				}
			}
		}
		reached := func(l FurtherLane) bool { return l.Fallback == lane.Name }
		if len(lane.Models) == 0 && !slices.ContainsFunc(c.lanes(), reached) {
			errs = append(errs, fmt.Errorf("lane %s has no models and is not the fallback of another lane, "+
				"so no call would reach it: set %s", lane.Name, variable(lane.Name, "MODELS")))
		}
	}
	return errs
}

// variable is the name of a lane's setting without the prefix that all settings have.
func variable(lane, setting string) string {
	if lane == Default {
		return setting
	}
	return "LANE_" + strings.ToUpper(lane) + "_" + setting
}
