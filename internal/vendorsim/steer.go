package vendorsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/spillway-dev/spillway/internal/vendorsim/script"
)

// isPage reports whether a path is a page that controls the simulator, and not one of the vendor.
func isPage(path string) bool {
	return slices.Contains([]string{"/stats", "/log", "/reset", "/faults", "/config", "/answers"}, path)
}

// steering serves the pages that control the simulator.
func (s *Sim) steering() *http.ServeMux {
	pages := http.NewServeMux()
	pages.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) { show(w, s.Stats()) })
	pages.HandleFunc("GET /log", s.serveLog)
	pages.HandleFunc(
		"POST /reset",
		func(w http.ResponseWriter, _ *http.Request) { s.Reset(); w.WriteHeader(http.StatusNoContent) },
	)
	pages.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) { show(w, s.Faults()) })
	pages.HandleFunc("POST /faults", func(w http.ResponseWriter, r *http.Request) {
		accept(w, r, Fault{}, func(b []byte) error { return s.readFaults(b, false) })
	})
	pages.HandleFunc("PUT /faults", func(w http.ResponseWriter, r *http.Request) {
		accept(w, r, Fault{}, func(b []byte) error { return s.readFaults(b, true) })
	})
	pages.HandleFunc(
		"DELETE /faults",
		func(w http.ResponseWriter, _ *http.Request) { s.ClearFaults(); w.WriteHeader(http.StatusNoContent) },
	)
	pages.HandleFunc("GET /config", func(w http.ResponseWriter, _ *http.Request) { show(w, s.Config()) })
	pages.HandleFunc("PUT /config", func(w http.ResponseWriter, r *http.Request) {
		accept(w, r, Config{}, func(b []byte) error {
			var cfg Config
			if err := strict(b, &cfg); err != nil {
				return err
			}
			return s.SetConfig(cfg)
		})
	})
	pages.HandleFunc("GET /answers", func(w http.ResponseWriter, _ *http.Request) { show(w, listed()) })
	pages.HandleFunc("GET /answers/{name}", func(w http.ResponseWriter, r *http.Request) {
		named, ok := script.Find(r.PathValue("name"))
		if !ok {
			http.Error(w, "there is no answer with this name; GET /answers lists them", http.StatusNotFound)
			return
		}
		show(w, named)
	})
	pages.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(
			w,
			"POST a chat completion here; see also /stats, /log, /answers, /faults, /config and /reset",
			http.StatusMethodNotAllowed,
		)
	})
	return pages
}

// readFaults takes one fault, or a list of them, beside those in effect or instead of them.
func (s *Sim) readFaults(b []byte, instead bool) error {
	faults := make([]Fault, 1)
	into := any(&faults[0])
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")) {
		into = &faults
	}
	if err := strict(b, into); err != nil {
		return err
	}
	return s.addFaults(faults, instead)
}

// listed is the catalogue of answers without their contents.
func listed() []line {
	all := script.Catalogue()
	lines := make([]line, len(all))
	for i, n := range all {
		lines[i] = line{n.Name, n.Why, n.Request}
	}
	return lines
}

// line is one answer in the list.
type line struct {
	Name    string          `json:"name"`
	Why     string          `json:"why"`
	Request json.RawMessage `json:"request,omitempty"`
}

// accept calls set with the request's body. When set returns an error, the answer lists the fields with their zero
// values.
func accept(w http.ResponseWriter, r *http.Request, fields any, set func([]byte) error) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err == nil {
		err = set(b)
	}
	if err != nil {
		example, _ := json.Marshal(fields)
		http.Error(w, fmt.Sprintf("%v; the fields are: %s", err, example), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// strict reads one JSON value without unknown fields.
func strict(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one JSON value")
	}
	return nil
}

func show(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
