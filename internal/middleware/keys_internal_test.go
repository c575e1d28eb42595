package middleware

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func FuzzParseKeys(f *testing.F) {
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("key")))
	f.Add(sum + " ada pro\n")
	f.Add("# comment\r\n\r\n" + strings.ToUpper(sum) + "\tada\tfree")
	f.Add(sum + " ada pro\n" + sum + " ada pro\n")
	f.Add(sum + " ada pro expires=2027-01-31 # a note")
	f.Add("\ufeff" + sum + " ada pro extra\n\x00")
	tiers := map[string]int{"free": 10, "pro": 100}
	f.Fuzz(func(t *testing.T, text string) {
		table, errs := parseKeys(text, tiers)
		err := errors.Join(errs...)
		if err == nil && len(table) == 0 {
			t.Error("a table without keys was accepted")
		}
		for sum, who := range table {
			if _, ok := tiers[who.tier]; !ok || who.user == "" || who.hash != sum {
				t.Errorf("got %+v", who)
			}
		}
		if _, ok := table.lookup(time.Now(), ""); ok {
			t.Error("the empty key is known")
		}
		if err != nil {
			for word := range strings.FieldsSeq(text) {
				if len(word) == 64 && !strings.Contains(word, `"`) && strings.Contains(err.Error(), " "+word+" ") {
					t.Errorf("the error repeats what may be a key: %v", err)
				}
			}
		}
	})
}

func TestKeysExpire(t *testing.T) {
	t.Parallel()
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("key")))
	for _, tt := range []struct {
		expires string
		last    time.Time // the last moment at which the key is valid
	}{
		{"2027-01-31", time.Date(2027, 1, 30, 23, 59, 59, 0, time.UTC)},
		{"2027-01-31T12:00:00Z", time.Date(2027, 1, 31, 11, 59, 59, 0, time.UTC)},
		{"2027-01-31T12:00:00+02:00", time.Date(2027, 1, 31, 9, 59, 59, 0, time.UTC)},
	} {
		table, errs := parseKeys(sum+" ada pro expires="+tt.expires+" # of the old laptop", map[string]int{"pro": 1})
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		if owner, ok := table.lookup(tt.last, "key"); !ok || owner.user != "ada" {
			t.Errorf("%s: refused at %v", tt.expires, tt.last)
		}
		if _, ok := table.lookup(tt.last.Add(time.Second), "key"); ok {
			t.Errorf("%s: valid at %v", tt.expires, tt.last.Add(time.Second))
		}
	}
	for _, bad := range []string{"2027-02-30", "expires=tomorrow", "expires="} {
		if _, errs := parseKeys(sum+" ada pro "+bad, map[string]int{"pro": 1}); len(errs) != 1 {
			t.Errorf("%q: %v", bad, errs)
		}
	}
}
