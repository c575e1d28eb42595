package middleware

import "time"

// recent remembers a value for each key for a minute or two. Two maps are kept, one for the present minute and one for
// the past, and nothing is ever swept. The zero value is ready; it is not safe for concurrent use.
type recent[K comparable, V any] struct {
	began time.Time // of the present minute
	now   map[K]V
	past  map[K]V
}

// maxRecent bounds each map. Users come from the key file, so it is reached only by a very large one; the minute is
// then cut short, in favour of the users.
const maxRecent = 100_000

// of is the value of key, or the zero value.
func (r *recent[K, V]) of(key K) V {
	if v, ok := r.now[key]; ok {
		return v
	}
	return r.past[key]
}

// set remembers v for key at the time now.
func (r *recent[K, V]) set(now time.Time, key K, v V) {
	switch age := now.Sub(r.began); {
	case age >= 2*time.Minute:
		r.past, r.now, r.began = nil, map[K]V{}, now
	case age >= time.Minute || len(r.now) >= maxRecent:
		r.past, r.now, r.began = r.now, map[K]V{}, now
	}
	r.now[key] = v
}
