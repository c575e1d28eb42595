package script

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
)

// Named is an answer with a name, by which users select it.
type Named struct {
	Name    string          `json:"name"`
	Why     string          `json:"why"`               // what is special about it
	Request json.RawMessage `json:"request,omitempty"` // members of a request that fits the answer
	Answer  Answer          `json:"response"`
	Expect  json.RawMessage `json:"expect,omitempty"` // the result for a careful client
}

//go:embed cases.json
var cases []byte

// Catalogue returns all answers with a name. It is the same slice for every caller: read it only.
var Catalogue = sync.OnceValue(func() []Named {
	var all []Named
	if err := json.Unmarshal(cases, &all); err != nil {
		panic(fmt.Sprintf("cases.json: %v", err)) // a test reads it
	}
	return slices.Concat(all, ends(), types(), errorsInside(), refusals(), waits(), usages())
})

// Find returns the answer with this name.
func Find(name string) (Named, bool) {
	all := Catalogue()
	i := slices.IndexFunc(all, func(n Named) bool { return n.Name == name })
	if i < 0 {
		return Named{}, false
	}
	return all[i], true
}

// Names are the names of all answers.
func Names() []string {
	all := Catalogue()
	names := make([]string, len(all))
	for i, n := range all {
		names[i] = n.Name
	}
	return names
}
