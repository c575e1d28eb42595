package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

func TestListIsWrittenFromTheDatabase(t *testing.T) {
	t.Chdir("../..")
	db := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/index/modules.json" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		_, _ = w.Write([]byte(`[
			{"path":"github.com/gin-gonic/gin","vulns":[{"id":"GO-3","fixed":"1.9.1"},{"id":"GO-1","fixed":"1.10.0"},{"id":"GO-2"}]},
			{"path":"example.com/listed","vulns":[{"id":"GO-5","fixed":"2.0.0"},{"id":"GO-4","fixed":"2.0.0"}]},
			{"path":"example.com/elsewhere","vulns":[{"id":"GO-6","fixed":"1.0.0"}]}]`))
	}))
	defer db.Close()
	list := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(list, []byte("# A comment.\nexample.com/listed v1.0.0 GO-4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), db.URL, list); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(list)
	want := "# A comment.\nexample.com/listed v2.0.0 GO-4,GO-5\ngithub.com/gin-gonic/gin v1.10.0 GO-1\n"
	if err != nil || string(got) != want {
		t.Errorf("%v, got:\n%s", err, got)
	}
}
