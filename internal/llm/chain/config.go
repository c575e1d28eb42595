package chain

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/breaker"
	"github.com/spillway-dev/spillway/internal/llm/quota"
	"github.com/spillway-dev/spillway/internal/llm/upstream"
)

// Config holds every setting of the ways to the vendors. The LaneConfig in it is the lane "default".
type Config struct {
	// Vendor calls in flight in this pod at most, of all lanes together.
	Slots int `split_words:"true" default:"50" desc:"Vendor calls in flight in this pod at most, of all lanes together."`
	// Share of SLOTS, rounded down, that only calls of high priority take: those of the highest tier that do not ask
	// for less. Jobs do not take it. 0 reserves none; with a single tier there is no reserve.
	SlotsReserve float64 `split_words:"true" default:"0.1" desc:"Share of SLOTS, rounded down, that only calls of high priority take: those of the highest tier that do not ask for less. Jobs do not take it. 0 reserves none; with a single tier there is no reserve."`
	// Time a call may spend in the gates before it is rejected. Must be below SLA.
	QueueTimeout time.Duration `split_words:"true" default:"5s" desc:"Time a call may spend in the gates before it is rejected. Must be below SLA."`
	// Time one vendor attempt may take; for a stream, the time to its first event.
	CallTimeout time.Duration `split_words:"true" default:"30s" desc:"Time one vendor attempt may take; for a stream, the time to its first event."`
	// Time a stream may pause between two events before it is cut.
	StreamIdle time.Duration `split_words:"true" default:"60s" desc:"Time a stream may pause between two events before it is cut."`
	// Time a whole stream may take before it is cut. 0 means no limit. SLA bounds a stream only up to its first event.
	StreamMax time.Duration `split_words:"true" default:"10m" desc:"Time a whole stream may take before it is cut. 0 means no limit. SLA bounds a stream only up to its first event."`

	LaneConfig

	Estimate llm.EstimateConfig
	Retry    llm.RetryConfig

	// Names of further lanes, as mini,claude. Each takes the settings of a lane with its name in front, as
	// LLM_LANE_MINI_VENDOR_URL. Empty means the lane default alone.
	Lanes []string `split_words:"true" desc:"Names of further lanes, as mini,claude. Each takes the settings of a lane with its name in front, as LLM_LANE_MINI_VENDOR_URL. Empty means the lane default alone."`

	Further []FurtherLane `ignored:"true"` // one for each of Lanes
}

// LaneConfig holds the settings of one lane: the vendor, the contract with it, and what protects both.
type LaneConfig struct {
	Vendor  upstream.Config
	Breaker breaker.Config
	Quota   quota.Config
	Pacer   llm.PacerConfig

	// Slots of the pod that calls of this lane may hold at most, so that a slow vendor leaves some to other lanes.
	// Calls beyond it wait as they do for a slot, or go to the fallback. 0 means all of them.
	SlotsMax int `split_words:"true" default:"0" desc:"Slots of the pod that calls of this lane may hold at most, so that a slow vendor leaves some to other lanes. Calls beyond it wait as they do for a slot, or go to the fallback. 0 means all of them."`
	// Lane that calls go to when this one cannot serve them. Empty means none.
	Fallback string `split_words:"true" desc:"Lane that calls go to when this one cannot serve them. Empty means none."`
	// Model that calls ask for which come from another lane: a name, or a list such as
	// gpt-4o:claude-sonnet-4-5,*:claude-haiku-4-5. Empty leaves the model as it is.
	Model Mapping `split_words:"true" desc:"Model that calls ask for which come from another lane: a name, or a list such as gpt-4o:claude-sonnet-4-5,*:claude-haiku-4-5. Empty leaves the model as it is."`
	// Time to the first event of a stream, at most CALL_TIMEOUT. 0 means 10s while a fallback can take over, else
	// CALL_TIMEOUT.
	FirstEventTimeout time.Duration `split_words:"true" default:"0s" desc:"Time to the first event of a stream, at most CALL_TIMEOUT. 0 means 10s while a fallback can take over, else CALL_TIMEOUT."`

	ContractSet bool `ignored:"true"` // whether the contract was given; 0 for no limit counts as given
}

// FurtherLane is a lane beside the default one.
type FurtherLane struct {
	LaneConfig

	// Models that the lane serves, as gpt-4o-mini*,o4-mini; a * stands at the end only. The lane default serves the
	// rest.
	Models []string `split_words:"true" desc:"Models that the lane serves, as gpt-4o-mini*,o4-mini; a * stands at the end only. The lane default serves the rest."`

	Name string `ignored:"true"`
}

// lanes lists all lanes, the default one first.
func (c Config) lanes() []FurtherLane {
	return slices.Concat([]FurtherLane{{Name: Default, LaneConfig: c.LaneConfig}}, c.Further)
}

// Inherit returns what the settings of a further lane are when none is given. It has its own contract and its own
// fallback. When vendorURL, which may be empty, has another host than the default lane's, it also begins without the
// default lane's key, headers and name: they belong to another vendor.
func (c Config) Inherit(name, vendorURL string) FurtherLane {
	lane := FurtherLane{Name: name, LaneConfig: c.LaneConfig}
	lane.Vendor.Headers = maps.Clone(lane.Vendor.Headers)
	lane.Quota.Requests, lane.Quota.Tokens, lane.Quota.Burst = 0, 0, 0
	lane.Fallback, lane.Model, lane.ContractSet = "", nil, false
	if vendorURL != "" {
		lane.Vendor.Endpoints = nil
	}
	if vendorURL != "" && host(vendorURL) != host(c.Vendor.URL) {
		v := &lane.Vendor
		v.APIKey, v.APIKeyFile, v.Name, v.Headers = "", "", "", nil
		v.AuthHeader, v.AuthScheme = "Authorization", "Bearer"
	}
	return lane
}

func host(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return u.Host
}

// reserve is the number of slots that only calls of high priority take.
func (c Config) reserve() int { return int(c.SlotsReserve * float64(c.Slots)) }

// Validate reports every value that makes no sense.
func (c Config) Validate() error {
	errs := []error{c.validate(c), c.Estimate.Validate(), c.Retry.Validate()}
	if !(0 <= c.SlotsReserve && c.SlotsReserve <= 0.9) { // also when it is not a number
		errs = append(errs, fmt.Errorf("SLOTS_RESERVE is %v: use a share from 0 to 0.9", c.SlotsReserve))
	}
	if c.Slots < 1 {
		errs = append(errs, fmt.Errorf("SLOTS is %d: use at least 1", c.Slots))
	}
	durations := map[string]time.Duration{
		"QUEUE_TIMEOUT": c.QueueTimeout, "CALL_TIMEOUT": c.CallTimeout, "STREAM_IDLE": c.StreamIdle,
	}
	for name, d := range durations {
		if d <= 0 {
			errs = append(errs, fmt.Errorf("%s is %v: use a positive duration such as 5s", name, d))
		}
	}
	if c.StreamMax < 0 {
		errs = append(errs, fmt.Errorf("STREAM_MAX is %v: use 0 (no limit) or a positive duration such as 10m",
			c.StreamMax))
	}
	return errors.Join(append(errs, c.validateLanes()...)...)
}

// validate reports what is wrong with one lane of the pod.
func (c LaneConfig) validate(pod Config) error {
	errs := []error{c.Vendor.Validate(), c.Breaker.Validate(), c.Quota.Validate(), c.Pacer.Validate()}
	if c.Vendor.Pool != 0 && c.Vendor.Pool < pod.Slots {
		errs = append(errs, fmt.Errorf("VENDOR_POOL (%d) is below SLOTS (%d): "+
			"calls with a slot would queue for a connection; raise the pool or leave it 0", c.Vendor.Pool, pod.Slots))
	}
	if c.SlotsMax < 0 || c.SlotsMax > pod.Slots {
		errs = append(errs,
			fmt.Errorf("SLOTS_MAX is %d: use at most SLOTS (%d), or 0 for all of them", c.SlotsMax, pod.Slots))
	}
	if c.FirstEventTimeout < 0 || c.FirstEventTimeout > pod.CallTimeout {
		errs = append(errs, fmt.Errorf("FIRST_EVENT_TIMEOUT is %v: use at most CALL_TIMEOUT (%v), or 0",
			c.FirstEventTimeout, pod.CallTimeout))
	}
	if lease := pod.CallTimeout + pod.QueueTimeout; c.Breaker.Lease <= lease {
		errs = append(errs, fmt.Errorf("BREAKER_LEASE (%v) must be above CALL_TIMEOUT + QUEUE_TIMEOUT (%v): "+
			"a probe could lose its lease while it still runs, and a second one start", c.Breaker.Lease, lease))
	}
	return errors.Join(errs...)
}
