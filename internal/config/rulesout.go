package config

import (
	"cmp"
	"fmt"
	"time"
)

// RulesOut lists the answers and bodies that cannot come through with these settings, each with the setting that
// decides. The log says it at start: a limit that is met for the first time by a long answer looks like a fault of the
// vendor.
func (c *Config) RulesOut() []string {
	list := []string{
		fmt.Sprintf("buffered answers over %v fail (LLM_CALL_TIMEOUT)", plain(c.LLM.CallTimeout)),
		fmt.Sprintf("streams whose first event takes over %v fail (%s)",
			plain(cmp.Or(c.LLM.FirstEventTimeout, c.LLM.CallTimeout)), c.firstEventSetting()),
		fmt.Sprintf("streams that pause for over %v are cut (LLM_STREAM_IDLE)", plain(c.LLM.StreamIdle)),
	}
	if c.LLM.StreamMax > 0 {
		list = append(list, fmt.Sprintf("streams over %v are cut (LLM_STREAM_MAX)", plain(c.LLM.StreamMax)))
	}
	return append(list,
		fmt.Sprintf("buffered answers over %s fail (LLM_VENDOR_MAX_RESPONSE)", size(c.LLM.Vendor.MaxResponse)),
		fmt.Sprintf("bodies over %s are refused (LLM_MAX_BODY)", size(c.API.MaxBody)))
}

func (c *Config) firstEventSetting() string {
	if c.LLM.FirstEventTimeout > 0 {
		return "LLM_FIRST_EVENT_TIMEOUT"
	}
	return "LLM_CALL_TIMEOUT"
}

// plain writes a duration without its empty parts: 10m and not 10m0s.
func plain(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

// size writes bytes in the largest unit that leaves no rest.
func size(bytes int64) string {
	switch {
	case bytes >= 1<<20 && bytes%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes >= 1<<10 && bytes%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d bytes", bytes)
}
