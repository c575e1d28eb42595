// Command weaknesses writes the list of modules with a published weakness, which TestNoKnownWeakness reads. From Go's
// vulnerability database it takes, for each module that the server links or that is on the list, the first version
// without a fixed weakness. The comments at the top of the list stay.
//
//	go run ./tools/weaknesses
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/semver"
)

func main() {
	db := flag.String("db", "https://vuln.go.dev", "address of the database")
	list := flag.String("list", "cmd/server/testdata/weaknesses.txt", "file to write")
	flag.Parse()
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Minute)
	defer stop()
	if err := run(ctx, *db, *list); err != nil {
		fmt.Fprintln(os.Stderr, "weaknesses:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has been called
	}
}

func run(ctx context.Context, db, list string) error {
	old, err := os.ReadFile(list)
	if err != nil {
		return err
	}
	linked, err := exec.CommandContext(ctx, "go", "list", "-deps", "-f",
		"{{with .Module}}{{.Path}}{{end}}", "./cmd/server").Output()
	if err != nil {
		return fmt.Errorf("listing the modules of the server: %w", err)
	}
	index, err := read(ctx, db)
	if err != nil {
		return err
	}
	comments, modules := split(string(old))
	text := comments + index.lines(append(modules, strings.Fields(string(linked))...))
	return os.WriteFile(list, []byte(text), 0o644) //nolint:gosec // a file of the repository
}

// database is the index of the database by module, as index/modules.json has it.
type database []struct {
	Path  string `json:"path"`
	Vulns []struct {
		ID    string `json:"id"`
		Fixed string `json:"fixed"` // the latest version that fixes it, "" when none does
	} `json:"vulns"`
}

func read(ctx context.Context, db string) (index database, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, db+"/index/modules.json", nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the database answers %s", res.Status)
	}
	return index, json.NewDecoder(res.Body).Decode(&index)
}

// split divides a list into the comments at its top and the modules in it.
func split(text string) (comments string, modules []string) {
	var top strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			top.WriteString(line)
		} else if fields := strings.Fields(line); len(fields) > 0 {
			modules = append(modules, fields[0])
		}
	}
	return top.String(), modules
}

// lines returns the list of modules that are in the database with a fixed weakness.
func (d database) lines(modules []string) string {
	var lines []string
	for _, m := range d {
		if !slices.Contains(modules, m.Path) {
			continue
		}
		first, ids := "", []string{}
		for _, v := range m.Vulns {
			switch fixed := "v" + v.Fixed; {
			case v.Fixed == "":
			case first == "" || semver.Compare(fixed, first) > 0:
				first, ids = fixed, []string{v.ID}
			case fixed == first:
				ids = append(ids, v.ID)
			}
		}
		if first != "" {
			slices.Sort(ids)
			lines = append(lines, fmt.Sprintf("%s %s %s\n", m.Path, first, strings.Join(ids, ",")))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
