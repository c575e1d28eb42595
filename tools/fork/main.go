// Command fork turns this repository into another service: `make fork MODULE=github.com/me/mysvc NAME=mysvc`. It
// renames the module, the binary, the chart, the image, the metrics and every mention in code and docs, in one step and
// in place, and removes itself. It commits nothing: git shows the changes, and can undo them.
//
//	names    checks MODULE and NAME, and derives their forms        names.go
//	rules    renames in texts and in paths                          rules.go
//	profile  renames in the compiler's profile, which is binary     profile.go
//	tree     reads every file, then writes every change             tree.go
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

func main() {
	if err := run(context.Background(), ".", os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "fork:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir string, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("fork", flag.ContinueOnError)
	flags.SetOutput(stderr)
	module := flags.String("module", "", "the new module `path`, such as github.com/me/mysvc")
	name := flags.String("name", "", "the new `name` of binary, chart and metrics, such as mysvc")
	image := flags.String("image", "", "where the image will be pushed; empty: ghcr.io, for a module on github.com")
	force := flags.Bool("force", false, "go on although there are changes that are not committed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	names, err := newNames(*module, *name, *image)
	if err != nil {
		return err
	}
	if err := ready(ctx, dir, *force); err != nil {
		return err
	}
	t, err := read(ctx, dir)
	if err != nil {
		return err
	}
	done, err := t.rename(names)
	if err != nil {
		return err
	}
	tell(stdout, names, done)
	return nil
}

// ready returns why dir must not be renamed as it is.
func ready(ctx context.Context, dir string, force bool) error {
	git := exec.CommandContext(ctx, "git", "-C", dir, "status", "--porcelain")
	out, err := git.Output()
	switch {
	case err != nil:
		return fmt.Errorf("this is no git repository, so nothing could be undone: "+
			"run `git init && git add -A && git commit -m start` first (%w)", err)
	case len(out) > 0 && !force:
		return fmt.Errorf("there are changes that are not committed: commit or stash them first, or say FORCE=1\n%s",
			strings.TrimRight(string(out), "\n"))
	}
	return nil
}

// tell prints what was done and what is left to do.
func tell(w io.Writer, n names, done summary) {
	fmt.Fprintf(w, `%d files changed, %d of them moved:
  module   %s
  binary   cmd/%s, bin/%s; in the image /%s
  chart    helm/%s
  image    %s
  metrics  %s_…
  alerts   %s…
Settings (LLM_…), attributes of spans and keys in Redis (llm…) keep their names: they name what the service does.
LICENSE keeps its notice, as the licence requires; add a line for your own work below it.
`, done.changed, done.moved, n.module, n.name, n.name, n.name, n.name, n.image, n.snake, n.camel)
	fmt.Fprint(w, `
Next:
  git add -A && git diff --cached --stat   # what changed; git reset --hard undoes it
  make run                                 # it still answers
  make test lint
  git commit -m "a service of our own"
`)
}
