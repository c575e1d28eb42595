package redistest

import "testing"

// When another server has the port already, ours is not up, whatever answers there.
func TestAServerOnOurPortIsNotOurs(t *testing.T) {
	t.Parallel()
	first := Start(t)
	second := &Server{tb: t, dir: t.TempDir(), port: first.port}
	defer second.Kill()
	if err := second.run(); err == nil {
		t.Error("another's answer was taken for ours")
	}
}

func TestRestartIsEmpty(t *testing.T) {
	t.Parallel()
	s := Start(t)
	if err := s.Client().Set(t.Context(), "key", "value", 0).Err(); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	s.Restart() // kills a stopped one too
	if n, err := s.Client().DBSize(t.Context()).Result(); err != nil || n != 0 {
		t.Errorf("%d keys, %v", n, err)
	}
}
