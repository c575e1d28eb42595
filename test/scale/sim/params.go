package sim

import (
	"cmp"
	"time"

	"github.com/spillway-dev/spillway/internal/llm/quota"
	"github.com/spillway-dev/spillway/internal/vendorsim/ledger"
	"github.com/spillway-dev/spillway/internal/vendorsim/timing"
)

// Params are the numbers of a world. Every one is an assumption that docs/scale.md states.
type Params struct {
	Seed         uint64
	Pods         int // at the beginning
	Quota        quota.Config
	QueueTimeout time.Duration
	Length       time.Duration
	NoWaiting  bool  // all calls are of low priority: they start at once or not at all
	Tokens       int64 // largest estimate of a call; estimates are spread evenly up to it, and uses up to the estimate

	Way          [2]time.Duration // shortest and longest way between pod and Redis, one direction
	Slow         float64          // part of those ways that take ten times as long
	Budget       time.Duration    // of a command
	ScriptTime   time.Duration    // Redis's own time for one script
	MessageTime  time.Duration    // Redis's own time for one message to one pod
	LostMessages float64          // part of the pub/sub messages that never arrive
	VendorWay    [2]time.Duration // from the last gate to the vendor
	Answer       [2]time.Duration // time the vendor takes
	Refusing     micros           // how many times faster it refuses

	Granted int // calls that the vendor grants, when it is not Quota.Requests

	// What a test breaks, to see that it is noticed.
	// Queue timeout that the arithmetic is told of, when it is not QueueTimeout.
	arithmeticQueue time.Duration
	mutate          func(script string) string // of the script
}

// granted is the contract as the vendor sees it.
func (p *Params) granted() ledger.Contract {
	return ledger.Contract{
		Requests: cmp.Or(p.Granted, p.Quota.Requests), Tokens: p.Quota.Tokens, Window: timing.Duration(p.Quota.Window),
	}
}

// Result is what came of a run.
type Result struct {
	ledger.Verdict
	Offered  int
	Rejected int // at once, by the quota
	TimedOut int // booked, and not started within the queue timeout
	Moved    int // booked, and turned away because the vendor asked for a pause
	Alone    int // calls started from a pod's share
	Killed   int // pods that were killed; their booked calls died with them
	Failed   int // commands without an answer in time
	Flushes  int // commands that only told something
	Commands int // scripts Redis ran
	Messages int // that scripts sent to all pods
	Early    int // calls at the vendor in a pause it had asked for, from 100 ms after it did
	Longest  time.Duration
	Use      float64 // of the contract's requests, from the second window on
	UseOf    float64 // the same of its tokens
	Fullest  float64 // fullest window, as a part of the contract; tokens when only those are limited
	Granted  int     // calls of the contract
	Series   []Point // without its last, unfinished slice
}

// Point is a slice of a run, a sixtieth of the contract's window long.
type Point struct {
	At      time.Duration
	Offered int
	Called  int
	Alone   int // of them, from a pod's share
	Window  int // calls in the fullest window that ended here
	Pods    int
}
