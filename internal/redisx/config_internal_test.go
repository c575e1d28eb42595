package redisx

import "testing"

func TestDatabaseNumber(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]int{
		"redis://h": 0, "redis://h/": 0, "redis://h/2": 2, "redis://h/2/": 2, "rediss://u:p@h:1/15?addr=o:1": 15,
		"redis://h/0?addr=o:1&addr=p:1": 0,
	} {
		if o, err := (Config{URL: url, Master: "m"}).options(); err != nil || o.DB != want {
			t.Errorf("%s: %v, %v, want database %d", url, o, err, want)
		}
	}
	for _, url := range []string{"redis://h/abc", "redis://h/-1", "redis://h/+1", "redis://h/2/3", "redis://h/1x",
		"redis://h/%20", "redis://h/99999999999"} {
		if o, err := (Config{URL: url}).options(); err == nil {
			t.Errorf("%s is database %d", url, o.DB)
		}
	}
}
