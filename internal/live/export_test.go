package live

// Watching has one value for each stream of events.
func (l *Live) Watching() chan struct{} { return l.watchers }
