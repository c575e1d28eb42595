// Command schemas writes the schemas the chart is checked against, one file for each source, from the Go modules their
// projects publish. What people read is left out of them; what a server checks is kept.
//
//	go run ./schemas        in test/chart; `make schemas` in the root
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

func main() {
	if err := run("schemas"); err != nil {
		fmt.Fprintln(os.Stderr, "schemas:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	for _, s := range crds {
		definitions, err := readCRDs(s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.module, err)
		}
		if err := write(dir, s, map[string]any{"source": s.module, "definitions": definitions}); err != nil {
			return err
		}
	}
	for _, s := range kubernetes {
		schemas, err := readOpenAPI(s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.module, err)
		}
		if err := write(dir, s, map[string]any{"source": s.module,
			"components": map[string]any{"schemas": schemas}}); err != nil {
			return err
		}
	}
	return nil
}

// download fetches a module through the go command and returns where it is.
func download(module string) (string, error) {
	out, err := exec.Command("go", "mod", "download", "-json", module).Output()
	var answer struct{ Dir, Error string }
	if json.Unmarshal(out, &answer) == nil && answer.Error != "" {
		return "", errors.New(answer.Error)
	}
	return answer.Dir, err
}

func write(dir string, s source, content map[string]any) error {
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, s.name+".json"), append(text, '\n'), 0o644)
}
