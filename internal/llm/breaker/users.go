package breaker

import (
	"hash/fnv"
	"strconv"
)

// users says how many distinct users a set of calls had: none, one with a fingerprint, or several. The breaker needs no
// more, and this can be added up over pods and slices of time.
type users struct {
	one     uint32 // fingerprint of the only user; 0 when there is none, or several
	several bool
}

// userOf returns the set that holds one user.
func userOf(name string) users {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return users{one: max(1, h.Sum32())}
}

// with is the union of two sets. Two users with the same fingerprint count as one.
func (u users) with(v users) users {
	switch {
	case u.several || v.several || u.one != 0 && v.one != 0 && u.one != v.one:
		return users{several: true}
	case u.one == 0:
		return v
	}
	return u
}

// String is the set as breaker.lua keeps it: "" for none, "*" for several, else the fingerprint.
func (u users) String() string {
	switch {
	case u.several:
		return "*"
	case u.one == 0:
		return ""
	}
	return strconv.FormatUint(uint64(u.one), 10)
}
