package breaker

import (
	"bytes"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// lossy makes connections to Redis on which the answer to one question for the lease gets lost.
type lossy struct{ lose atomic.Bool }

func (l *lossy) through(conn net.Conn) net.Conn { return &lossyConn{Conn: conn, of: l} }

// lossyConn breaks when Redis has run the script and before its answer has been read.
type lossyConn struct {
	net.Conn

	of    *lossy
	loses atomic.Bool
}

func (c *lossyConn) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("\r\nprobe\r\n")) && c.of.lose.CompareAndSwap(true, false) {
		c.loses.Store(true)
	}
	return c.Conn.Write(p)
}

func (c *lossyConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.loses.Load() {
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// losesAnswer returns two pods whose breaker is half-open. Redis has granted a the lease, and the answer was lost.
// prepare is called before that.
func losesAnswer(t *testing.T, prepare func(a *Breaker)) (a, b *Breaker) {
	t.Helper()
	url := redistest.Start(t).URL()
	var line lossy
	a = newPodBreaker(t, quickBreaker(), redisx.Config{URL: url, Budget: 10 * time.Second, Pool: 8,
		Through: line.through})
	b = newPodBreaker(t, quickBreaker(), redisx.Config{URL: url})
	fail(t, a)
	awaitState(t, HalfOpen, a, b)
	prepare(a)
	line.lose.Store(true)
	if passes(t, a, success) || line.lose.Load() {
		t.Fatal("no answer was lost")
	}
	return a, b
}

// The lease of an answer that was lost does not keep the breaker from probing, also when the pod has no further calls.
func TestALostAnswerIsReclaimed(t *testing.T) {
	t.Parallel()
	_, b := losesAnswer(t, func(*Breaker) {})
	for range b.cfg.Successes {
		awaitProbe(t, b)(success)
	}
	awaitState(t, Closed, b)
}

// The next call of the pod gets the lease of the answer that was lost, and is the only probe.
func TestALostAnswerIsAskedForAgain(t *testing.T) {
	t.Parallel()
	a, b := losesAnswer(t, func(a *Breaker) { quiet(t, a) })
	if len(a.sync.wake) != 1 {
		t.Error("the pod does not look for the lease at once")
	}
	granted := a.sync.askLease(t.Context())
	if granted.lease == noLease {
		t.Fatal("no lease")
	}
	if v, taken := b.sync.step(t.Context(), request{op: opProbe}); v.lease != noLease || !taken {
		t.Error("a second probe")
	}
	if a.sync.lostAnswer() {
		t.Error("the lease of a probe under way counts as lost")
	}
	a.sync.giveBack(request{op: opEnd, verdict: lost, gen: granted.gen, lease: granted.lease})
	if a.State() != Open {
		t.Errorf("%v after the probe has failed", a.State())
	}
}

// A question that comes late, when the lease that it was granted has been given back, is granted none: no pod waits for
// the answer. A lease of a version that names no questions is not given to one, either.
func TestALateQuestionIsGrantedNothing(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	b := newPodBreaker(t, quickBreaker(), redisx.Config{URL: server.URL()})
	fail(t, b)
	awaitState(t, HalfOpen, b)
	ask := func() reply {
		t.Helper()
		v, taken := b.sync.step(t.Context(), request{op: opProbe, asker: "late"})
		if !taken {
			t.Fatal("no answer")
		}
		return v
	}
	first := ask()
	if again := ask(); first.lease == noLease || again.lease != first.lease {
		t.Fatalf("leases %d and %d for one question", first.lease, again.lease)
	}
	b.sync.giveBack(request{op: opEnd, verdict: freed, gen: first.gen, lease: first.lease})
	if got := ask(); got.lease != noLease {
		t.Errorf("the late question got lease %d", got.lease)
	}
	inAMinute := time.Now().Add(time.Minute).UnixMilli()
	ok(t, server.Client().HSet(t.Context(), b.sync.key, "seq", first.lease+1, "lease", inAMinute).Err())
	if got := ask(); got.lease != noLease {
		t.Errorf("got lease %d, which a pod of a former version holds", got.lease)
	}
}
