package chain

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/upstream"
)

// lister is a vendor that lists models.
type lister struct {
	*modelList

	lines strings.Builder

	mu    sync.Mutex
	asked int
	names []string
	err   error
	takes time.Duration
}

func newLister(t *testing.T, names ...string) *lister {
	t.Helper()
	v := &lister{names: names}
	v.modelList = newModelList(v.list, slog.New(slog.NewTextHandler(&v.lines, nil)))
	t.Cleanup(v.close)
	return v
}

func (v *lister) list(ctx context.Context) (models []llm.Model, err error) {
	v.mu.Lock()
	v.asked++
	takes := time.After(v.takes)
	v.mu.Unlock()
	select {
	case <-takes:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, name := range v.names {
		models = append(models, llm.NamedModel(name, "v"))
	}
	return models, v.err
}

// wants checks what a client gets, and how often the vendor was asked so far.
func (v *lister) wants(t *testing.T, name string, known bool, asked int) {
	t.Helper()
	models, k := v.get(t.Context(), true)
	got := ""
	if len(models) > 0 {
		got = models[0].ID
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if got != name || k != known || v.asked != asked {
		t.Errorf("got %q, known %v, the vendor was asked %d times; want %q, %v, %d", got, k, v.asked, name, known,
			asked)
	}
}

// will says what the vendor does from now on.
func (v *lister) will(names []string, takes time.Duration, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.names, v.takes, v.err = names, takes, err
}

// TestListIsKeptForAMinute, and for longer while the vendor does not answer.
func TestListIsKeptForAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newLister(t, "a")
		v.wants(t, "a", true, 1)
		v.will([]string{"b"}, 0, nil)
		time.Sleep(listFresh - 1)
		v.wants(t, "a", true, 1)
		time.Sleep(time.Nanosecond)
		v.wants(t, "b", true, 2)

		v.will(nil, 0, errors.New("away"))
		time.Sleep(listFresh)
		v.wants(t, "b", true, 3) // what was last known
		v.wants(t, "b", true, 3) // the vendor has some peace
		time.Sleep(listRetry)
		v.wants(t, "b", true, 4)
		if n := strings.Count(v.lines.String(), "cannot be read"); n != 1 {
			t.Errorf("%d lines in the log:\n%s", n, &v.lines)
		}
		v.will([]string{"c"}, 0, nil)
		time.Sleep(listRetry)
		v.wants(t, "c", true, 5)
	})
}

// TestOneRequestForManyAskers: they all wait for it.
func TestOneRequestForManyAskers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newLister(t, "a")
		v.will([]string{"a"}, listTimeout-1, nil)
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { v.wants(t, "a", true, 1) })
		}
		all.Wait()
	})
}

// TestSilentVendorDoesNotHoldClients: where an old list is known they get that soon; else they wait for one request.
func TestSilentVendorDoesNotHoldClients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newLister(t, "a")
		v.will([]string{"a"}, time.Hour, nil)
		began := time.Now()
		v.wants(t, "", false, 1)
		if took := time.Since(began); took != listTimeout {
			t.Errorf("took %v", took)
		}
		v.will([]string{"a"}, 0, nil)
		time.Sleep(listRetry)
		v.wants(t, "a", true, 2)
		v.will([]string{"a"}, time.Hour, nil)
		time.Sleep(listFresh)
		began = time.Now()
		v.wants(t, "a", true, 3)
		if took := time.Since(began); took != listPatience {
			t.Errorf("took %v", took)
		}
		ctx, leave := context.WithCancel(t.Context())
		leave()
		began = time.Now()
		_, _ = v.get(ctx, true)
		if time.Since(began) != 0 {
			t.Error("a client that left is waited for")
		}
	})
}

// TestVendorWithoutAList: it is asked once a minute too, and counts as no failure.
func TestVendorWithoutAList(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newLister(t)
		v.will(nil, 0, upstream.ErrNoModelList)
		v.wants(t, "", true, 1)
		v.wants(t, "", true, 1)
		if v.lines.Len() > 0 {
			t.Error(v.lines.String())
		}
		_, _ = v.get(t.Context(), false)
		time.Sleep(listFresh)
		if _, _ = v.get(t.Context(), false); v.asked != 1 {
			t.Error("a vendor that is not called is asked for its list")
		}
	})
}
