package middleware

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// hash is the SHA-256 of an API key. The keys themselves are nowhere in the service.
type hash [sha256.Size]byte

// identity is whom a key belongs to.
type identity struct {
	hash hash
	user string
	tier string
}

// keyTable finds identities by the hash of their key.
type keyTable map[hash]identity

// lookup finds the owner of key. An unknown key costs the same as a known one: one hash, one look into the table, one
// comparison in constant time. The look itself gives nothing away, since nobody can choose a hash to probe with.
func (t keyTable) lookup(key string) (identity, bool) {
	var room [128]byte // keeps keys of the usual lengths off the heap
	sum := hash(sha256.Sum256(append(room[:0], key...)))
	who := t[sum]
	same := subtle.ConstantTimeCompare(who.hash[:], sum[:]) == 1
	return who, same && key != ""
}

// parseKeys reads a key file. The error names every bad line by its number.
func parseKeys(text string, tiers map[string]int) (keyTable, error) {
	table, tierOf := keyTable{}, map[string]string{}
	var errs []error
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		who, err := parseKey(line, tiers)
		if err == nil {
			err = table.add(who, tierOf)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d: %w", n, err))
		}
	}
	if len(errs) == 0 && len(table) == 0 {
		errs = append(errs, errors.New("no key in it: nobody could call; add a line \"<sha256 hex> <user> <tier>\""))
	}
	return table, errors.Join(errs...)
}

// add refuses a key with two owners, and a user with two tiers: his requests are counted in one bucket, which has one rate.
func (t keyTable) add(who identity, tierOf map[string]string) error {
	if _, twice := t[who.hash]; twice {
		return errors.New("this key stands above already")
	}
	if tier, known := tierOf[who.user]; known && tier != who.tier {
		return fmt.Errorf("user %q has tier %q above: give all keys of a user one tier", who.user, tier)
	}
	t[who.hash], tierOf[who.user] = who, who.tier
	return nil
}

// parseKey never repeats the line in an error: somebody may have put a key there in clear.
func parseKey(line string, tiers map[string]int) (identity, error) {
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return identity{}, fmt.Errorf("it has %d of 3 fields: write \"<sha256 hex> <user> <tier>\"", len(fields))
	}
	sum, err := hex.DecodeString(fields[0])
	if err != nil || len(sum) != sha256.Size {
		return identity{}, errors.New("the first field is no SHA-256 in hex: make it with printf %s \"$KEY\" | sha256sum")
	}
	if _, ok := tiers[fields[2]]; !ok {
		return identity{}, errors.New("the third field is no tier of TIER_RATES")
	}
	return identity{hash(sum), fields[1], fields[2]}, nil
}
