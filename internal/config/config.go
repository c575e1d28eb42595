// Package config composes the settings that each package documents for itself into those of the whole program.
//
//	Load          environment -> Config, every problem reported at once
//	  settings    which variables there are: envconfig's view of the structs     settings.go
//	  lanes       the same settings again for each further lane                  lanes.go
//	  unknown     a mistyped name is an error that knows the right one           unknown.go
//	  Validate    each package's own rules, then those between packages
//	WriteHelp     the same list for people: -config-help, docs/configuration.md  help.go
//	  sets        values that belong together                                    sets.go
//	RulesOut      which answers these settings leave no way for, for the log     rulesout.go
//	LogValue      the same list for the log, secrets left out                    redact.go
package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spillway-dev/spillway/internal/api"
	"github.com/spillway-dev/spillway/internal/jobs"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/memory"
	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// Prefix stands before every variable's name, an underscore between them.
const Prefix = "LLM"

// Config is everything the service can be told.
type Config struct {
	Server  ServerConfig
	API     api.Config
	Inbound middleware.Config
	LLM     chain.Config
	Jobs    jobs.Config
	Redis   redisx.Config
	Memory  memory.Config
}

// section is a group of settings with the package that knows what they mean.
type section struct {
	title  string
	prefix string
	spec   interface{ Validate() error } // pointer to a part of the Config
}

// sections lists the parts of c in the order of the documentation.
func (c *Config) sections() []section {
	return []section{
		{"The process", Prefix, &c.Server},
		{"Requests", Prefix, &c.API},
		{"The way in", Prefix, &c.Inbound},
		{"The way to the vendor", Prefix, &c.LLM},
		{"Asynchronous jobs", Prefix + "_JOBS", &c.Jobs},
		{"Memory", Prefix + "_MEMORY", &c.Memory},
		{"Redis", Prefix + "_REDIS", &c.Redis},
	}
}

// Load reads a configuration from environ, which has the form of os.Environ. A variable that is set and empty is as
// good as absent, because charts and compose files like to pass on what they were not given. The error is a Problems
// with everything that is wrong, values, names and contradictions alike.
func Load(environ []string) (Config, error) {
	env := map[string]string{}
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok {
			env[name] = value
		}
	}
	var c Config
	all := c.settings()
	var errs []error
	for _, s := range all {
		text := env[s.Name]
		if text == "" {
			text = s.Default
		}
		if err := s.set(text); err != nil {
			errs = append(errs, err)
			_ = s.set(s.Default) // so that the rules below see no zero value that was not chosen
		}
	}
	ofLanes, wrong := c.loadLanes(env)
	all = append(all, ofLanes...)
	errs = slices.Concat(unknown(env, all), errs, wrong, []error{c.Validate()})
	c.Inbound.TierConcurrency = c.Inbound.Concurrencies(c.LLM.Slots)
	return c, problems(errs, all)
}

// settings lists every variable, in the order of the sections.
func (c *Config) settings() []setting {
	var all []setting
	for _, s := range c.sections() {
		all = append(all, settings(s.prefix, s.spec)...)
	}
	return all
}

// Validate applies the rules of every part, and then those between parts.
func (c *Config) Validate() error {
	var errs []error
	for _, s := range c.sections() {
		errs = append(errs, s.spec.Validate())
	}
	return errors.Join(append(errs, c.contradictions()...)...)
}

// contradictions are values that make sense alone but not together.
func (c *Config) contradictions() []error {
	var errs []error
	refuse := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	sla, drained := c.Inbound.SLA, c.Server.DrainDelay+c.Inbound.SLA
	refuse(c.Inbound.APIKeysFile == "", "API_KEYS_FILE is missing: set it to a file with a line \"<sha256 hex> "+
		"<user> <tier>\" for each client")
	refuse(c.LLM.QueueTimeout >= sla,
		"QUEUE_TIMEOUT (%v) must be below SLA (%v): a call that queues for so long could never be answered in time",
		c.LLM.QueueTimeout, sla)
	refuse(c.LLM.CallTimeout > sla,
		"CALL_TIMEOUT (%v) is above SLA (%v): it could never run out; lower it, or raise the SLA", c.LLM.CallTimeout,
		sla)
	refuse(c.Server.ShutdownGrace < drained,
		"SHUTDOWN_GRACE (%v) is below DRAIN_DELAY + SLA (%v): a rolling update would cut requests; raise it, and "+
			"terminationGracePeriodSeconds with it", c.Server.ShutdownGrace, drained)
	for _, name := range c.API.Endpoints {
		e := llm.EndpointNamed(name) // an unknown one is refused elsewhere
		refuse(e != nil && !c.LLM.Speaks(e),
			"ENDPOINTS opens %s, which no lane's vendor has: take it out, or let VENDOR_URL be a base URL and "+
				"VENDOR_ENDPOINTS name it", name)
	}
	for _, route := range slices.Sorted(maps.Keys(c.Inbound.EndpointRates)) {
		refuse(!slices.Contains(api.Routes(), route),
			"ENDPOINT_RATES names %q, which is no route that is limited: use %s", route,
			strings.Join(api.Routes(), " or "))
	}
	return errs
}

// Warnings are values that are allowed and yet seldom meant.
func (c *Config) Warnings() []string {
	var list []string
	if c.LLM.Vendor.APIKey+c.LLM.Vendor.APIKeyFile == "" {
		list = append(list, "no vendor API key is set: calls go out without authentication")
	}
	if c.LLM.Quota.Requests == 0 && c.LLM.Quota.Tokens == 0 {
		list = append(list, "no vendor contract is set: the quota lets everything through")
	}
	if q := c.LLM.Quota; q.Requests+q.Tokens > 0 && 2*c.LLM.QueueTimeout > q.Window {
		list = append(list, fmt.Sprintf("LLM_QUEUE_TIMEOUT (%v) is long beside LLM_QUOTA_WINDOW (%v): at most %d %% "+
			"of the "+
			"contract can be used, and jobs find room only below that", c.LLM.QueueTimeout, q.Window,
			100*q.Window/(q.Window+c.LLM.QueueTimeout)))
	}
	for _, lane := range c.LLM.Further {
		if lane.Vendor.APIKey+lane.Vendor.APIKeyFile == "" {
			list = append(list, "no vendor API key is set for the lane "+lane.Name+
				": its calls go out without authentication")
		}
	}
	if most := c.Memory.LargestBody(memory.Limit()); c.API.MaxBody > most {
		list = append(list, fmt.Sprintf("LLM_MAX_BODY (%d) is above three quarters of the memory budget: bodies over "+
			"%d bytes "+
			"are refused; raise the memory limit or LLM_MEMORY_BUDGET", c.API.MaxBody, most))
	}
	if own := int64(c.Jobs.Workers) * c.Jobs.MaxBody; c.Jobs.Enabled && own > c.Memory.Bytes(memory.Limit())/4*3 {
		list = append(list, fmt.Sprintf("LLM_JOBS_WORKERS x LLM_JOBS_MAX_BODY are %d bytes beside the memory budget "+
			"of %d: bodies of jobs are not "+
			"in it; lower one of them, or raise the memory limit", own, c.Memory.Bytes(memory.Limit())))
	}
	if longest := c.Server.DrainDelay + c.Inbound.SLA + c.LLM.StreamMax; c.LLM.StreamMax > 0 &&
		c.Server.ShutdownGrace < longest {
		list = append(list, fmt.Sprintf("LLM_SHUTDOWN_GRACE (%v) is below LLM_DRAIN_DELAY + LLM_SLA + LLM_STREAM_MAX "+
			"(%v): "+
			"a rolling update cuts the longest streams", c.Server.ShutdownGrace, longest))
	}
	for _, tier := range slices.Sorted(maps.Keys(c.Inbound.TierRates)) {
		if n := c.Inbound.TierConcurrency[tier]; n == 0 || n >= c.LLM.Slots {
			list = append(list, fmt.Sprintf("LLM_TIER_CONCURRENCY gives a user of the tier %s %d requests at a time "+
				"(0: no limit) and LLM_SLOTS is %d: "+
				"one user can hold every slot of a pod", tier, n, c.LLM.Slots))
		}
	}
	admission, slots, queue := c.Inbound.AdmissionMax, c.LLM.Slots, c.Inbound.QueueMax
	switch {
	case admission < slots:
		list = append(list, fmt.Sprintf("LLM_ADMISSION_MAX (%d) is below LLM_SLOTS (%d): the slots are never all used",
			admission, slots))
	case queue > admission-slots:
		list = append(list, fmt.Sprintf("LLM_QUEUE_MAX (%d) is above LLM_ADMISSION_MAX - LLM_SLOTS (%d): no queue "+
			"can get so long, so it never counts as full", queue, admission-slots))
	}
	return list
}
