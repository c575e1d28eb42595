package vendorsim

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// TestRoomBoundsBodies: large bodies wait for each other, small ones do not, and the wait of a client that leaves ends.
func TestRoomBoundsBodies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &room{size: 1 << 20}
		take := func(ctx context.Context, n int64) (give func(), waits <-chan error) {
			var granted func()
			done := make(chan error, 1)
			go func() {
				got, err := m.take(ctx, n)
				granted = got
				done <- err
			}()
			synctest.Wait()
			return func() { granted() }, done
		}
		first, done := take(t.Context(), 700<<10)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		second, waits := take(t.Context(), -1) // of unknown length: all of it
		ctx, leave := context.WithCancelCause(t.Context())
		_, left := take(ctx, 64<<20) // more than there is
		gone := errors.New("the client left")
		leave(gone)
		if err := <-left; !errors.Is(err, gone) {
			t.Errorf("got %v", err)
		}
		if _, small := take(t.Context(), smallBody); len(small) == 0 || <-small != nil {
			t.Error("a small body waits")
		}
		if len(waits) > 0 {
			t.Error("a second body was let in beyond the room")
		}
		first()
		if err := <-waits; err != nil {
			t.Error(err)
		}
		second()
		if m.used != 0 {
			t.Errorf("%d bytes are not given back", m.used)
		}
	})
	if give, err := (*room)(nil).take(t.Context(), 1<<40); err != nil || give == nil {
		t.Error("without a bound a body waits")
	}
}
