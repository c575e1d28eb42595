package redisx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
)

// patient is a guard in a synctest bubble, with a Redis whose state the test sets, and the guard's log lines and calls.
type patient struct {
	*guard
	reg *prometheus.Registry

	mu     sync.Mutex
	sick   error // what probes find
	probes int
	log    bytes.Buffer
	told   []bool
}

func newPatient(t *testing.T) *patient {
	t.Helper()
	p := &patient{reg: prometheus.NewRegistry()}
	var err error
	if p.guard, err = newGuard(50*time.Millisecond, p.look, slog.New(slog.NewTextHandler(p, nil)), p.reg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	p.onChange(func(away bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.told = append(p.told, away)
	})
	return p
}

// look is the probe of the guard.
func (p *patient) look(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.probes++
	return p.sick
}

// Write collects the log.
func (p *patient) Write(line []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(line)
}

func (p *patient) setSick(sick error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sick = sick
}

// seen returns the log lines, the calls of listeners and the probes, when the guard is idle.
func (p *patient) seen() (log string, told []bool, probes int) {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String(), slices.Clone(p.told), p.probes
}

func TestGuardStory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPatient(t)
		up := func(want string) {
			t.Helper()
			text := "# HELP llm_redis_up " +
				"1 while limits are shared through Redis, 0 while this pod works from its own counts.\n" +
				"# TYPE llm_redis_up gauge\nllm_redis_up " + want + "\n"
			if err := testutil.GatherAndCompare(p.reg, strings.NewReader(text), "llm_redis_up"); err != nil {
				t.Error(err)
			}
		}

		// There was no command yet: Redis is not away, but in doubt until the first answer.
		up("1")
		if !p.inDoubt() {
			t.Error("trusted before the first answer")
		}
		p.judge(nil)
		if p.inDoubt() {
			t.Error("in doubt after an answer")
		}

		// Two failures cause doubt, the third is enough. Failures of commands that were in flight then add nothing.
		p.setSick(io.ErrUnexpectedEOF)
		for n := range 10 {
			if p.away.Load() != (n >= 3) {
				t.Errorf("after %d failures away is %v", n, p.away.Load())
			}
			p.judge(io.ErrUnexpectedEOF)
		}
		synctest.Wait()
		up("0")

		// The log has one line with the reason, and Redis is probed at intervals.
		time.Sleep(time.Minute)
		said, _, probes := p.seen()
		if strings.Count(said, "\n") != 1 || !strings.Contains(said, "unexpected EOF") {
			t.Errorf("said %q", said)
		}
		if probes < 150 || probes > 600 {
			t.Errorf("probed %d times a minute", probes)
		}

		// When Redis stays away, the log has the current reason every minute.
		p.setSick(errors.New("WRONGPASS"))
		time.Sleep(time.Minute)
		said, _, _ = p.seen()
		if strings.Count(said, "\n") != 2 || !strings.HasSuffix(said, "error=WRONGPASS\n") {
			t.Errorf("said %q", said)
		}

		// Redis is found again within two seconds. The doubt ends when it has answered a request.
		p.setSick(nil)
		time.Sleep(2 * time.Second)
		said, told, _ := p.seen()
		up("1")
		if p.away.Load() || !p.inDoubt() {
			t.Errorf("after the return away is %v, in doubt %v", p.away.Load(), p.inDoubt())
		}
		if strings.Count(said, "\n") != 3 || !slices.Equal(told, []bool{true, false}) {
			t.Errorf("said %q, told %v", said, told)
		}

		// A second failure of Redis is noticed too.
		for range 3 {
			p.judge(io.ErrUnexpectedEOF)
		}
		if _, told, _ := p.seen(); !slices.Equal(told, []bool{true, false, true}) {
			t.Errorf("told %v", told)
		}
	})
}

func TestGuardCountsCommands(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPatient(t)
		p.judge(nil)
		p.judge(errors.New("connection reset"))
		p.judge(redis.Nil)
		p.judge(reply("NOPERM no"))
		for name, c := range map[string]struct {
			counter prometheus.Counter
			want    float64
		}{"ok": {p.metrics.ok, 2}, "failed": {p.metrics.failed, 1}, "refused": {p.metrics.refused, 1}} {
			if got := testutil.ToFloat64(c.counter); got != c.want {
				t.Errorf("%s is %v, want %v", name, got, c.want)
			}
		}
	})
}

// A Redis that refuses commands is not away, but limits are not shared. The log has a line once a minute, with the
// latest refusal.
func TestGuardSaysWhatRedisRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPatient(t)
		for range 100 {
			p.judge(fmt.Errorf("user limit: %w", reply("NOPERM no")))
		}
		time.Sleep(time.Minute)
		for range 100 {
			p.judge(fmt.Errorf("user limit: %w", reply("WRONGTYPE no")))
		}
		said, told, _ := p.seen()
		if lines := strings.Split(strings.TrimSpace(said), "\n"); len(lines) != 2 ||
			!strings.Contains(lines[0], "user limit: NOPERM") || !strings.Contains(lines[1], "WRONGTYPE") {
			t.Errorf("said %q", said)
		}
		if p.away.Load() || len(told) > 0 {
			t.Error("refusals were taken for a Redis that is away")
		}
	})
}

// Redis does not count as away when commands fail rarely. It does when every second command fails.
func TestGuardWeighsFailures(t *testing.T) {
	t.Parallel()
	for every, want := range map[int]bool{2: true, 4: false, 100: false} {
		synctest.Test(t, func(t *testing.T) {
			p := newPatient(t)
			p.setSick(io.ErrUnexpectedEOF)
			for n := range 1000 {
				if n%every == 0 {
					p.judge(io.EOF)
				} else {
					p.judge(nil)
				}
			}
			if p.away.Load() != want {
				t.Errorf("one in %d fails: away is %v", every, p.away.Load())
			}
		})
	}
}
