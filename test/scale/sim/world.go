// Package sim simulates many pods that share one vendor's contract through one Redis. Time is virtual, random numbers
// come from a seed, and one goroutine does everything: a run of a thousand pods is the same on every machine.
//
//	scenario.go  the load, and which faults happen when
//	params.go    the parameters of a world, and the results of a run
//	world.go     requests on their way from the balancer to a pod
//	vendor.go    calls on their way to the vendor and back
//	fleet.go     pods that start, stop and are killed
//	pod.go       requests in one pod, with quota.Model, which is the service's own code
//	report.go    the reports of a pod to Redis
//	guard.go     what redisx's guard does
//	redis.go     one Redis: a single thread, a queue, a network; hanging, gone, empty, slow
//	lua.go       the service's own quota.lua, on the few commands it uses
//	clock.go     virtual time
//
// The vendor is the judge of vendorsim/ledger, with an exact log of every sliding window. User limits, breaker,
// retries, pacer and slots are not simulated. They only delay calls or reduce their number; scenarios do that directly.
package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/vendorsim/ledger"
)

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
	refusal   time.Duration // Retry-After of the 429 that the next call gets
	refuseAll bool          // later calls get it too, while this is true
	pauseFrom micros        // begin of the pause that the vendor asked for, on the vendor's clock
	pauseTill micros
	warm      ledger.Verdict // at the beginning of the second window
}

func newWorld(p Params) (*World, error) {
	w := &World{params: p, random: rand.New(rand.NewPCG(p.Seed, 1)), gates: func(now micros) micros { return now }}
	w.now = epoch
	w.redis = &store{world: w, lua: newLuaRedis(func() micros { return w.now })}
	w.judge = ledger.NewJudge(p.granted())
	return w, w.scale(p.Pods)
}

// run runs the world to its end.
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
	r.Commands, r.Messages, r.Longest = w.redis.commands, w.redis.messages,
		time.Duration(w.redis.longest)*time.Microsecond
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

// between draws a random duration.
func (w *World) between(span [2]time.Duration) micros {
	from, to := span[0].Microseconds(), span[1].Microseconds()
	return from + w.random.Int64N(to-from+1)
}

// way draws the time of a message between a pod and Redis.
func (w *World) way() micros {
	d := w.between(w.params.Way)
	if w.random.Float64() < w.params.Slow {
		d *= 10
	}
	return d
}

// arrivals sends requests at random times, each to a random pod.
func (w *World) arrivals() {
	const idle = 10_000
	rate := w.rate(w.since())
	if rate <= 0 {
		w.after(idle, w.arrivals)
		return
	}
	gap := micros(w.random.ExpFloat64() * 1e6 / rate)
	w.after(min(gap, idle), func() {
		if gap <= idle { // a longer gap is drawn again, so that a new rate takes effect soon
			w.offer()
		}
		w.arrivals()
	})
}

// offer sends one request to a pod that is not stopping.
func (w *World) offer() {
	for range 100 {
		if p := w.pods[w.random.IntN(len(w.pods))]; !p.leaving {
			w.request(p)
			return
		}
	}
}

// request sends one request to the pod. A fifth of them has high priority, a fifth low.
func (w *World) request(p *pod) {
	class := []llm.Priority{llm.High, llm.Normal, llm.Normal, llm.Normal, llm.Low}[w.random.IntN(5)]
	if w.params.NoWaiting {
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
