// Command scale shows what a thousand pods do to one contract, one Redis and each other. `make scale` runs all of it
// and keeps the tables and pictures of docs/scale.md up to date.
//
//	simulate.go  scenarios in virtual time: the same on every machine
//	share.go     what a pod may do without Redis, by the number of pods
//	redis.go     what each script costs a real Redis, measured on this machine
//	scripts.go   the scripts of a request
//	requests.go  what a whole request of the real service costs Redis
//	service.go   the real service, with a real Redis and the simulated vendor
//	slots.go     on which nodes a Cluster keeps the service's keys
//	fanout.go    how soon a message reaches all pods
//	picture.go   SVG
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spillway-dev/spillway/test/scale/sim"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

// size is the size in docs/scale.md: a thousand pods, and twenty calls a minute for each.
var size = sim.Size{Seed: 1, Pods: 1000, Requests: 20_000, Window: time.Minute, Queue: 5 * time.Second, Windows: 4}

// part is one table of the page.
type part struct {
	name  string
	write func(w io.Writer) error
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("scale", flag.ContinueOnError)
	doc := flags.String("doc", "",
		"page whose tables are replaced, between its lines <!-- begin NAME --> and <!-- end NAME -->")
	pictures := flags.String("pictures", "", "folder for the pictures; empty: none")
	only := flags.String("only", "", "names of tables, separated by commas; empty: all")
	server := flags.String("server", "bin/server", "the service's binary")
	length := flags.Duration("time", 4*time.Second, "length of one measurement of Redis")
	flags.Uint64Var(&size.Seed, "seed", size.Seed, "of the simulation")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx := context.Background()
	parts := []part{
		{"scenarios", func(w io.Writer) error { return scenarios(w, *pictures) }},
		{"shares", shares},
		{"commands", func(w io.Writer) error { return commands(ctx, w, *length) }},
		{"requests", func(w io.Writer) error { return requests(ctx, w, *server, *length) }},
		{"fanout", func(w io.Writer) error { return fanout(ctx, w) }},
		{"slots", func(w io.Writer) error { return slots(ctx, w, *server) }},
	}
	var problems []error
	for _, p := range parts {
		if *only != "" && !strings.Contains(","+*only+",", ","+p.name+",") {
			continue
		}
		var table bytes.Buffer
		if err := p.write(io.MultiWriter(&table, out)); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", p.name, err))
			continue
		}
		fmt.Fprintln(out)
		if *doc != "" {
			problems = append(problems, replaceTable(*doc, p.name, table.String()))
		}
	}
	return errors.Join(problems...)
}

// replaceTable writes the table into the page.
func replaceTable(path, name, table string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	begin, end := "<!-- begin "+name+" -->\n", "<!-- end "+name+" -->"
	before, rest, ok := strings.Cut(string(page), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return fmt.Errorf("%s has no place for %s", path, name)
	}
	return os.WriteFile(path, []byte(before+begin+table+end+after), 0o644)
}
