package middleware

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// hash is the SHA-256 of an API key. The keys themselves are nowhere in the service.
type hash [sha256.Size]byte

// identity is the owner of a key.
type identity struct {
	hash    hash
	user    string
	tier    string
	expires time.Time // zero: never
}

// keyTable finds identities by the hash of their key. Keys, in keyfile.go, has the table that is in force.
type keyTable map[hash]identity

// lookup finds the owner of a key that is valid at the time now. An unknown key takes the same time as a known one: one
// hash, one look into the table, one comparison in constant time. The look reveals nothing about other keys, because a
// client cannot choose the hash.
func (t keyTable) lookup(now time.Time, key string) (identity, bool) {
	var room [128]byte // keeps keys of the usual lengths off the heap
	sum := hash(sha256.Sum256(append(room[:0], key...)))
	owner := t[sum]
	same := subtle.ConstantTimeCompare(owner.hash[:], sum[:]) == 1
	valid := owner.expires.IsZero() || now.Before(owner.expires)
	return owner, same && valid && key != ""
}

// keyForm is a line of a key file.
const keyForm = `<sha256 hex> <user> <tier> [expires=<date>] [# note]`

// parseKeys reads a key file. Bad lines are left out of the table, and the errors name each of them by its number.
func parseKeys(text string, tiers map[string]int) (keyTable, []error) {
	table, tierOf := keyTable{}, map[string]string{}
	var errs []error
	n := 0
	for line := range strings.Lines(text) {
		n++
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		owner, err := parseKey(line, tiers)
		if err == nil {
			err = table.add(owner, tierOf)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d: %w", n, err))
		}
	}
	if len(errs) == 0 && len(table) == 0 {
		errs = append(errs, errors.New("it holds no key, so no client could call: add a line \""+keyForm+"\""))
	}
	return table, errs
}

// add refuses a key with two owners, and a user with two tiers: a user's requests count in one bucket, which has one
// rate.
func (t keyTable) add(owner identity, tierOf map[string]string) error {
	if _, twice := t[owner.hash]; twice {
		return errors.New("an earlier line has this key already")
	}
	if tier, known := tierOf[owner.user]; known && tier != owner.tier {
		return fmt.Errorf("user %q has tier %q in an earlier line: give all keys of a user one tier", owner.user, tier)
	}
	t[owner.hash], tierOf[owner.user] = owner, owner.tier
	return nil
}

// parseKey never repeats the line in an error: it may hold a key in clear by mistake.
func parseKey(line string, tiers map[string]int) (identity, error) {
	fields := strings.Fields(line)
	if len(fields) < 3 || len(fields) > 4 {
		return identity{}, fmt.Errorf("it has %d fields: write \"%s\"", len(fields), keyForm)
	}
	sum, err := hex.DecodeString(fields[0])
	if err != nil || len(sum) != sha256.Size {
		return identity{}, errors.New("the first field is no SHA-256 in hex: " +
			`make it with printf %s "$KEY" | sha256sum`)
	}
	if _, ok := tiers[fields[2]]; !ok {
		return identity{}, errors.New("the third field is no tier of TIER_RATES")
	}
	owner := identity{hash: hash(sum), user: fields[1], tier: fields[2]}
	if len(fields) == 4 {
		if owner.expires, err = parseExpiry(fields[3]); err != nil {
			return identity{}, err
		}
	}
	return owner, nil
}

// parseExpiry reads the time from which on a key is refused: a day, which begins in UTC, or a moment.
func parseExpiry(field string) (time.Time, error) {
	text, ok := strings.CutPrefix(field, "expires=")
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, text); ok && err == nil {
			return at, nil
		}
	}
	return time.Time{}, errors.New(
		"the fourth field is no expiry: write expires=2027-01-31 or expires=2027-01-31T12:00:00Z")
}
