package breaker

import (
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
)

const (
	// manyUsers is the number of users whose failures speak against the vendor, however many other users call.
	manyUsers = 5
	// mostUsers is where a set of users ends to be exact: with fewer than manyUsers that fail it is enough to know
	// that twice as many call.
	mostUsers = 2*manyUsers - 1
)

// users is a set of distinct users, known by fingerprints, which is exact below mostUsers. It can be added up over pods
// and slices of time, and its size is bounded. The zero value is empty.
type users struct {
	n  int                   // of them; mostUsers means that many or more, whose fingerprints are not kept
	of [mostUsers - 1]uint32 // fingerprints of the first n
}

// userOf returns the set that holds one user. Two users with the same fingerprint count as one.
func userOf(name string) users {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return users{}.plus(max(1, h.Sum32()))
}

// plus returns the set with one user more, if it does not have that user already.
func (u users) plus(one uint32) users {
	switch {
	case u.n == mostUsers || slices.Contains(u.of[:u.n], one):
		return u
	case u.n == mostUsers-1:
		return users{n: mostUsers}
	}
	u.of[u.n] = one
	u.n++
	return u
}

// with returns the union of two sets.
func (u users) with(v users) users {
	if v.n == mostUsers {
		return v
	}
	for _, one := range v.of[:v.n] {
		u = u.plus(one)
	}
	return u
}

// String is the set as breaker.lua keeps it: "" for none, "*" for mostUsers or more, else fingerprints with commas.
func (u users) String() string {
	if u.n == mostUsers {
		return "*"
	}
	var text []string
	for _, one := range u.of[:u.n] {
		text = append(text, strconv.FormatUint(uint64(one), 10))
	}
	return strings.Join(text, ",")
}
