package sim

import (
	"cmp"
	"time"

	"github.com/spillway-dev/spillway/internal/llm/quota"
	"github.com/spillway-dev/spillway/internal/vendorsim/ledger"
	"github.com/spillway-dev/spillway/internal/vendorsim/timing"
)

// Params are the numbers of a world. docs/scale.md lists them as assumptions.
type Params struct {
	Seed         uint64
	Pods         int // at the beginning
	Quota        quota.Config
	QueueTimeout time.Duration
	Length       time.Duration
	NoWaiting    bool  // all calls are of low priority: they start at once or not at all
	Tokens       int64 // largest estimate of a call; estimates are spread evenly up to it, and uses up to the estimate

	Way          [2]time.Duration // shortest and longest time of a message between pod and Redis
	Slow         float64          // part of those messages that take ten times as long
	Budget       time.Duration    // of a command
	ScriptTime   time.Duration    // Redis's own time for one script
	MessageTime  time.Duration    // Redis's own time for one message to one pod
	LostMessages float64          // part of the pub/sub messages that never arrive
	VendorWay    [2]time.Duration // from the last gate to the vendor
	Answer       [2]time.Duration // time the vendor takes
	Refusing     micros           // a refusal takes this part of an answer's time: 1/Refusing

	Granted int // calls that the vendor grants, when it is not Quota.Requests

	// Tests break these two, to see that the judge finds it.
	// arithmeticQueue is the queue timeout that the arithmetic uses; 0 means QueueTimeout.
	arithmeticQueue time.Duration
	mutate          func(script string) string // changes the script; nil: unchanged
}

// granted is the vendor's own contract.
func (p *Params) granted() ledger.Contract {
	return ledger.Contract{
		Requests: cmp.Or(p.Granted, p.Quota.Requests), Tokens: p.Quota.Tokens, Window: timing.Duration(p.Quota.Window),
	}
}

// Result is the result of a run.
type Result struct {
	ledger.Verdict
	Offered  int
	Rejected int // requests that the quota refused at once
	TimedOut int // booked, and not started within the queue timeout
	Moved    int // booked, and refused because the vendor asked for a pause
	Alone    int // calls from a pod's own share
	Killed   int // pods that were killed, with their booked calls
	Failed   int // commands without an answer in time
	Flushes  int // commands that only reported
	Commands int // scripts Redis ran
	Messages int // messages of scripts to all pods
	Early    int // calls that reached the vendor during its pause, from 100 ms after it asked
	Longest  time.Duration
	Use      float64 // of the contract's requests, from the second window on
	UseOf    float64 // the same for its tokens
	Fullest  float64 // fullest window, as a part of the contract; tokens when only those are limited
	Granted  int     // calls of the contract
	Series   []Point // without the unfinished last slice
}

// Point is a slice of a run, a sixtieth of the contract's window long.
type Point struct {
	At      time.Duration
	Offered int
	Called  int
	Alone   int // calls from a pod's own share
	Window  int // calls in the fullest window that ended here
	Pods    int
}
