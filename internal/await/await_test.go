package await_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
)

// failing notes that the test has failed, and ends its goroutine as a test would.
type failing struct {
	testing.TB
	said chan string
}

func (failing) Helper() {}

func (f failing) Fatal(args ...any) { f.said <- args[0].(error).Error(); panic(f) }

func TestTrueAsksUntilItIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		await.True(t, "asked five times", func() bool { asked++; return asked == 5 })
	})
}

func TestTrueFailsTheTestAfterTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := failing{t, make(chan string, 1)}
		began := time.Now()
		func() {
			defer func() { _ = recover() }()
			await.True(f, "pigs fly", func() bool { return false })
		}()
		if took := time.Since(began); took < await.Limit || took > await.Limit+time.Second {
			t.Errorf("it waited for %v", took)
		}
		if said := <-f.said; !strings.Contains(said, "pigs fly") {
			t.Errorf("it said %q", said)
		}
	})
}

func TestPollSaysWhatWentWrongLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		took, err := await.Poll(time.Second, "it works", func() (bool, error) { return true, broken })
		if !errors.Is(err, broken) || took < time.Second {
			t.Errorf("%v after %v", err, took)
		}
	})
}

func TestValue(t *testing.T) {
	t.Parallel()
	from := make(chan int, 1)
	from <- 7
	if got := await.Value(t, "a number", from); got != 7 {
		t.Errorf("got %d", got)
	}
}
