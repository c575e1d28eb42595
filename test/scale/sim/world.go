// Package sim is a simulation of many pods that share one vendor's contract through one Redis. Time is virtual, chance
// comes from a seed, and one goroutine does everything: a run of a thousand pods is the same on every machine.
//
//	scenario.go  what is offered, and what goes wrong when
//	world.go     requests on their way: pod, Redis, vendor
//	pod.go       one pod: quota.Model, which is the service's own code, and the guard in front of Redis
//	redis.go     one Redis: a single thread, a queue, a network; hanging, gone, empty, slow
//	lua.go       the service's own quota.lua, on the few commands it uses
//	clock.go     virtual time
//
// The vendor is the judge of vendorsim/ledger: an exact log that looks at every sliding window. Not simulated: user limits, breaker,
// retries, and what the pacer and slots of a pod decide; they only make calls later or fewer, and a scenario does that
// to them directly.
package sim

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
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
	NobodyWaits  bool  // all calls are of low priority: they start at once or not at all
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
	arithmeticQueue time.Duration              // queue timeout that the arithmetic is told of, when it is not QueueTimeout
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

// World is a simulation under way.
type World struct {
	clock
	params Params
	random *rand.Rand
	redis  *store
	judge  *ledger.Judge
	pods   []*pod // alive
	result Result
	err    error

	rate      func(since time.Duration) float64 // requests per second for all pods
	gates     func(now micros) (free micros)
	refusal   time.Duration // the next call is answered 429 with this Retry-After
	refuseAll bool          // and those after it, until this is false
	pauseFrom micros        // pause that the vendor asked for, as its own clock has it
	pauseTill micros
	warm      ledger.Verdict // when the second window began
}

func newWorld(p Params) (*World, error) {
	w := &World{params: p, random: rand.New(rand.NewPCG(p.Seed, 1)), gates: func(now micros) micros { return now }}
	w.now = epoch
	w.redis = &store{world: w, lua: newLuaRedis(func() micros { return w.now })}
	w.judge = ledger.NewJudge(p.granted())
	return w, w.scale(p.Pods)
}

// run lets the world go on to its end.
func (w *World) run() (Result, error) {
	defer w.redis.lua.close()
	window := w.params.Quota.Window
	w.result.Series = make([]Point, 1+int(w.params.Length/(window/60)))
	w.at(epoch+window.Microseconds(), func() { w.warm = w.judge.Verdict() })
	w.arrivals()
	w.clock.run(epoch + w.params.Length.Microseconds())
	w.sum()
	return w.result, w.err
}

func (w *World) sum() {
	r, c := &w.result, w.params.granted()
	r.Verdict, r.Granted = w.judge.Verdict(), c.Requests
	r.Series = r.Series[:len(r.Series)-1]
	r.Commands, r.Messages, r.Longest = w.redis.commands, w.redis.messages, time.Duration(w.redis.longest)*time.Microsecond
	windows := float64(w.params.Length)/float64(c.Window) - 1
	if c.Requests > 0 {
		r.Use = float64(r.Requests-w.warm.Requests) / (windows * float64(c.Requests))
		r.Fullest = float64(r.MaxRequests) / float64(c.Requests)
	}
	if c.Tokens > 0 {
		r.UseOf = float64(r.Tokens-w.warm.Tokens) / (windows * float64(c.Tokens))
		r.Fullest = max(r.Fullest, float64(r.MaxTokens)/float64(c.Tokens))
	}
}

// fail keeps the first error. A run with an error proves nothing.
func (w *World) fail(err error) {
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("at %v: %w", w.since(), err)
	}
}

func (w *World) since() time.Duration { return time.Duration(w.now-epoch) * time.Microsecond }

func (w *World) point() *Point {
	slice := w.params.Quota.Window / 60
	i := int(w.since() / slice)
	p := &w.result.Series[i]
	p.At, p.Pods = time.Duration(i)*slice, len(w.pods)
	return p
}

// between draws a span of time.
func (w *World) between(span [2]time.Duration) micros {
	from, to := span[0].Microseconds(), span[1].Microseconds()
	return from + w.random.Int64N(to-from+1)
}

// way is the time a message takes between a pod and Redis.
func (w *World) way() micros {
	d := w.between(w.params.Way)
	if w.random.Float64() < w.params.Slow {
		d *= 10
	}
	return d
}

// arrivals offers requests at random moments, each to a pod that a balancer picks at random.
func (w *World) arrivals() {
	const idle = 10_000
	rate := w.rate(w.since())
	if rate <= 0 {
		w.after(idle, w.arrivals)
		return
	}
	gap := micros(w.random.ExpFloat64() * 1e6 / rate)
	w.after(min(gap, idle), func() {
		if gap <= idle { // chance has no memory: a longer gap is drawn again, so that a new rate counts soon
			w.offer()
		}
		w.arrivals()
	})
}

// offer brings one request to a pod that takes some.
func (w *World) offer() {
	for range 100 {
		if p := w.pods[w.random.IntN(len(w.pods))]; !p.leaving {
			w.request(p)
			return
		}
	}
}

// request brings one request to the pod: a fifth of high, a fifth of low priority.
func (w *World) request(p *pod) {
	class := []llm.Priority{llm.High, llm.Normal, llm.Normal, llm.Normal, llm.Low}[w.random.IntN(5)]
	if w.params.NobodyWaits {
		class = llm.Low
	}
	tokens := int64(0)
	if w.params.Tokens > 0 {
		tokens = 1 + w.random.Int64N(w.params.Tokens)
	}
	used := tokens
	if tokens > 0 {
		used = 1 + w.random.Int64N(tokens)
	}
	w.point().Offered++
	p.take(class, tokens, used)
}

func (w *World) gatesFree(now micros) micros { return w.gates(now) }

// vendor is a call on its way to the vendor and back.
func (w *World) vendor(c *call) {
	w.after(w.between(w.params.VendorWay), func() {
		calls, tokens := w.judge.Arrive(time.UnixMicro(w.now), int(c.used))
		point := w.point()
		point.Called++
		if w.params.Quota.Requests == 0 {
			calls = tokens
		}
		point.Window = max(point.Window, calls)
		if c.booking.Local() {
			w.result.Alone++
			point.Alone++
		}
		if w.now > w.pauseFrom && w.now < w.pauseTill {
			w.result.Early++
		}
		pause := w.refusal
		took := w.between(w.params.Answer)
		if !w.refuseAll {
			w.refusal = 0
		}
		if pause > 0 {
			took = 1000 + took/max(1, w.params.Refusing)
			if w.now >= w.pauseTill {
				w.pauseFrom = w.now + took + 100_000
			}
			w.pauseTill = max(w.pauseTill, w.now+took+pause.Microseconds())
		}
		w.after(took, func() { c.pod.answered(c, pause) })
	})
}

// answered is the vendor's answer in the pod.
func (p *pod) answered(c *call, pause time.Duration) {
	if p.dead {
		return
	}
	if pause > 0 {
		p.model.Pause(pause)
	}
	p.model.Settle(&c.booking, true, c.used)
	p.tell()
}

// scale brings the number of pods to n: new ones start, and the first ones leave.
func (w *World) scale(n int) error {
	arithmetic := w.params.QueueTimeout
	if w.params.arithmeticQueue > 0 {
		arithmetic = w.params.arithmeticQueue
	}
	for len(w.pods) < n {
		p := &pod{world: w, doubt: perAnswer}
		var err error
		if p.model, err = quota.NewModel(w.params.Quota, arithmetic, p.time); err != nil {
			return err
		}
		p.script = p.model.Script()
		if w.params.mutate != nil {
			p.script = w.params.mutate(p.script)
		}
		w.pods = append(w.pods, p)
	}
	return nil
}

// kill ends n pods at once, with all they have booked, and new ones take their place.
func (w *World) kill(n int) {
	for _, p := range w.pods[:n] {
		p.dead = true
	}
	w.result.Killed += n
	w.pods = slices.Clone(w.pods[n:])
	w.fail(w.scale(w.params.Pods))
}

// roll replaces n pods: new ones start, old ones take no more requests and end when what they have is done.
func (w *World) roll(n int) {
	old := slices.Clone(w.pods[:n])
	for _, p := range old {
		p.leaving = true
	}
	w.pods = slices.Clone(w.pods[n:])
	w.fail(w.scale(w.params.Pods))
	// What they have told nobody within a while is lost with them.
	w.after((w.params.QueueTimeout + w.params.Answer[1] + time.Second).Microseconds(), func() {
		for _, p := range old {
			p.dead = true
		}
	})
}
