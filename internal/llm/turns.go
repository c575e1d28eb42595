package llm

import "container/list"

// turns is a queue that serves users in turn: each user has a line of waiters, and the user at the front gives up its
// first waiter and goes to the back. So at most one waiter of a user goes before the next one of another user. The zero
// value is ready; it is not safe for concurrent use.
type turns struct {
	users list.List        // of *line, the next to be served first
	lines map[string]*line // those in users, by the user's name
	n     int              // waiters of all users
}

// line is the waiters of one user, in order of arrival.
type line struct {
	user    string
	waiters list.List // of *waiter
	at      *list.Element
}

// waiter is a call that waits for a slot.
type waiter struct {
	granted chan struct{} // closed, under the lock of the slots, when the slot is this waiter's
	line    *line
	at      *list.Element
}

// push adds a waiter of user at the end of the user's line.
func (t *turns) push(user string) *waiter {
	l := t.lines[user]
	if l == nil {
		l = &line{user: user}
		l.at = t.users.PushBack(l)
		if t.lines == nil {
			t.lines = map[string]*line{}
		}
		t.lines[user] = l
	}
	w := &waiter{granted: make(chan struct{}), line: l}
	w.at = l.waiters.PushBack(w)
	t.n++
	return w
}

// pop takes out the next waiter; nil when there is none.
func (t *turns) pop() *waiter {
	first := t.users.Front()
	if first == nil {
		return nil
	}
	l := first.Value.(*line)
	w := l.waiters.Front().Value.(*waiter)
	t.users.MoveToBack(first)
	t.remove(w)
	return w
}

// remove takes out a waiter, and its user when that was the last one.
func (t *turns) remove(w *waiter) {
	l := w.line
	l.waiters.Remove(w.at)
	t.n--
	if l.waiters.Len() == 0 {
		t.users.Remove(l.at)
		delete(t.lines, l.user)
	}
}
