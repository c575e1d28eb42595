package middleware

import "time"

// moments remembers a moment for each key for a minute or two. Two maps are kept, one for the present minute and one for the past,
// and nothing is ever swept. The zero value is ready; it is not safe for concurrent use.
type moments[K comparable] struct {
	began time.Time // of the present minute
	now   map[K]time.Time
	past  map[K]time.Time
}

// maxMoments bounds each map. Users come from the key file, so it is reached only by a very large one; the minute is then cut
// short, in favour of the users.
const maxMoments = 100_000

// of is the moment of key, or the zero time.
func (m *moments[K]) of(key K) time.Time {
	if t, ok := m.now[key]; ok {
		return t
	}
	return m.past[key]
}

// set remembers t for key at the time now.
func (m *moments[K]) set(now time.Time, key K, t time.Time) {
	switch age := now.Sub(m.began); {
	case age >= 2*time.Minute:
		m.past, m.now, m.began = nil, map[K]time.Time{}, now
	case age >= time.Minute || len(m.now) >= maxMoments:
		m.past, m.now, m.began = m.now, map[K]time.Time{}, now
	}
	m.now[key] = t
}
