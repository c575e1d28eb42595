package streams_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/spillway-dev/spillway/internal/streams"
)

// TestSet: streams count from their beginning to their end, and the oldest gives the age.
func TestSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		set, err := streams.New(reg)
		if err != nil {
			t.Fatal(err)
		}
		is := func(open int, oldest time.Duration) {
			t.Helper()
			if n, age := set.Look(); n != open || age != oldest {
				t.Errorf("%d streams, the oldest of %v", n, age)
			}
		}
		var first, second, never streams.Stream
		is(0, 0)
		set.Begin(&first)
		time.Sleep(time.Minute)
		set.Begin(&second)
		time.Sleep(time.Second)
		is(2, 61*time.Second)
		set.End(&first)
		set.End(&never)
		is(1, time.Second)
		if n, err := testutil.GatherAndCount(reg, "llm_streams_open", "llm_streams_oldest_seconds"); n != 2 ||
			err != nil {
			t.Errorf("%d metrics, %v", n, err)
		}
		set.End(&second)
		is(0, 0)
	})
	var none *streams.Set
	none.Begin(new(streams.Stream))
	none.End(new(streams.Stream))
}
