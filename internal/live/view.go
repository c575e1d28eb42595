package live

import "sync"

// view is what pages are shown: the latest snapshot, and its history. Its methods may be called from several
// goroutines.
type view struct {
	mu      sync.Mutex
	history ring[Point]
	latest  Snapshot
	event   []byte        // latest, encoded once for all watchers
	changed chan struct{} // closed when latest is replaced
}

func newView() *view {
	return &view{history: newRing[Point](historySize), changed: make(chan struct{})}
}

// begin forgets the history, and shows s until the first snapshot is put.
func (v *view) begin(s Snapshot) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.history = newRing[Point](historySize)
	v.latest, v.event = s, encode(s)
}

// put replaces the latest snapshot.
func (v *view) put(s Snapshot) {
	s.Point = s.point()
	event := encode(s)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.history.add(s.Point)
	v.latest, v.event = s, event
	close(v.changed)
	v.changed = make(chan struct{})
}

// now is the latest snapshot as an event, and a channel that is closed when there is a newer one.
func (v *view) now() (event []byte, changed <-chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.event, v.changed
}

// snapshot is the latest one.
func (v *view) snapshot() Snapshot {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.latest
}

// document is the latest snapshot with the history.
func (v *view) document() Document {
	v.mu.Lock()
	defer v.mu.Unlock()
	return Document{Snapshot: v.latest, History: v.history.list()}
}
