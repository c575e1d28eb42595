package config

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/spillway-dev/spillway/internal/llm/chain"
)

// lanePrefix stands before the settings of a further lane; the lane's name and an underscore follow.
const lanePrefix = Prefix + "_LANE_"

// ofLane is the beginning of the names of a lane's settings.
func ofLane(name string) string { return lanePrefix + strings.ToUpper(name) + "_" }

// loadLanes makes the lanes that LLM_LANES names, each from what it inherits and from env. The settings of the lane
// default must have been read before.
func (c *Config) loadLanes(env map[string]string) (all []setting, errs []error) {
	c.LLM.ContractSet = contractSet(env, Prefix+"_")
	for _, name := range c.LLM.Lanes {
		c.LLM.Further = append(c.LLM.Further, c.LLM.Inherit(name, env[ofLane(name)+"VENDOR_URL"]))
	}
	for i := range c.LLM.Further {
		lane := &c.LLM.Further[i]
		if env[ofLane(lane.Name)+"VENDOR_API_KEY"]+env[ofLane(lane.Name)+"VENDOR_API_KEY_FILE"] != "" {
			lane.Vendor.APIKey, lane.Vendor.APIKeyFile = "", "" // one of its own is in place of either
		}
		lane.ContractSet = contractSet(env, ofLane(lane.Name))
		own := laneSettings(lane)
		for _, s := range own {
			if err := s.set(env[s.Name]); err != nil {
				errs = append(errs, err)
			}
		}
		all = append(all, own...)
	}
	return all, errs
}

// contractSet reports whether the lane whose settings begin so was given a contract, be it 0.
func contractSet(env map[string]string, begin string) bool {
	return env[begin+"QUOTA_REQUESTS"] != "" || env[begin+"QUOTA_TOKENS"] != ""
}

// laneSettings lists the settings of one further lane.
func laneSettings(lane *chain.FurtherLane) []setting {
	return settings(strings.TrimSuffix(ofLane(lane.Name), "_"), lane)
}

// furtherSettings lists those of every further lane, and in the same order what they would be by inheritance alone.
func (c *Config) furtherSettings() (all, inherited []setting) {
	for i := range c.LLM.Further {
		lane := &c.LLM.Further[i]
		bare := laneSettings(new(c.LLM.Inherit(lane.Name, lane.Vendor.URL)))
		all, inherited = append(all, laneSettings(lane)...), append(inherited, bare...)
	}
	return all, inherited
}

// strangeLane says of a variable that it is for a lane which LLM_LANES does not name, if that is so.
func strangeLane(name string, known []setting) string {
	rest, found := strings.CutPrefix(name, lanePrefix)
	lane, _, named := strings.Cut(rest, "_")
	if !found || !named {
		return ""
	}
	for _, s := range known {
		if strings.HasPrefix(s.Name, lanePrefix+lane+"_") {
			return ""
		}
	}
	return fmt.Sprintf("%s is for a lane that %s_LANES does not name: add %s there, or remove it", name, Prefix,
		strings.ToLower(lane))
}

// laneNames returns a func that gives the settings in a text the names that they have for a lane.
func laneNames(lane string, known []setting) func(string) string {
	var names []string
	for _, s := range known {
		if short, own := strings.CutPrefix(s.Name, ofLane(lane)); own {
			names = append(names, regexp.QuoteMeta(short))
		}
	}
	own := regexp.MustCompile(`\b(` + strings.Join(names, "|") + `)\b`)
	return func(text string) string {
		return own.ReplaceAllString(text, strings.TrimPrefix(ofLane(lane), Prefix+"_")+"$1")
	}
}
