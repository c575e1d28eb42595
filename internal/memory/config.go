package memory

import (
	"fmt"
	"math"
	"runtime/debug"
)

// unlimited is the budget of a process without a memory limit.
const unlimited = 256 << 20

// Config holds the settings of the budget.
type Config struct {
	// Bytes of request bodies and answers that this pod holds at most, with answers that wait for slow readers. 0 means
	// half of GOMEMLIMIT, or 256 MiB where that is not set. Bodies may use three quarters of it.
	Budget int64 `default:"0" desc:"Bytes of request bodies and answers that this pod holds at most, with answers that wait for slow readers. 0 means half of GOMEMLIMIT, or 256 MiB where that is not set. Bodies may use three quarters of it."`
}

// Validate reports invalid values.
func (c Config) Validate() error {
	if c.Budget != 0 && c.Budget < 1<<20 {
		return fmt.Errorf("MEMORY_BUDGET is %d: use at least 1048576 bytes, or 0 for half of GOMEMLIMIT", c.Budget)
	}
	return nil
}

// Limit returns the memory limit of this process, GOMEMLIMIT, in bytes; 0 means no limit.
func Limit() int64 {
	limit := debug.SetMemoryLimit(-1) // a negative limit changes nothing
	if limit == math.MaxInt64 {
		return 0
	}
	return limit
}

// LargestBody returns the size of the largest body for a process with this memory limit, in bytes.
func (c Config) LargestBody(limit int64) int64 { return largestBody(c.Bytes(limit)) }

// Bytes returns the budget of a process with a memory limit of limit bytes; 0 or less means no limit.
func (c Config) Bytes(limit int64) int64 {
	switch {
	case c.Budget > 0:
		return c.Budget
	case limit > 0:
		return limit / 2
	}
	return unlimited
}
