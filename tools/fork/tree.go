package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// tree is the repository's files in memory: everything is read and renamed before the first file is written.
type tree struct {
	dir   string
	files map[string]file // by path in dir, with slashes
}

type file struct {
	content []byte
	mode    fs.FileMode
}

// summary counts the changes of files.
type summary struct{ changed, moved int }

// read reads the files that git has or would add, so no build outputs.
func read(ctx context.Context, dir string) (*tree, error) {
	out, err := exec.CommandContext(ctx, "git", "-C", dir, "ls-files", "-z", "--cached",
		"--others", "--exclude-standard").Output()
	if err != nil {
		return nil, fmt.Errorf("listing the files: %w", err)
	}
	t := &tree{dir, map[string]file{}}
	for path := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		name := filepath.Join(dir, filepath.FromSlash(path))
		info, err := os.Lstat(name)
		if err != nil || !info.Mode().IsRegular() { // deleted and not committed yet, or a link
			continue
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		t.files[path] = file{content, info.Mode().Perm()}
	}
	first, _, _ := strings.Cut(string(t.files["go.mod"].content), "\n")
	if first != "module "+oldModule {
		return nil, fmt.Errorf("go.mod says %q, not module %s: this copy has been renamed already, or is another "+
			"service", first, oldModule)
	}
	return t, nil
}

// rename writes the tree with its new names.
func (t *tree) rename(n names) (done summary, err error) {
	r := newRules(n)
	renamed := map[string]file{}
	for path, f := range t.files {
		if slices.ContainsFunc(gone, func(prefix string) bool { return strings.HasPrefix(path, prefix) }) {
			continue
		}
		to := r.path(path)
		if _, twice := renamed[to]; twice {
			return done, fmt.Errorf("two files would become %s: choose another NAME", to)
		}
		content, err := r.file(path, f.content)
		if err != nil {
			return done, err
		}
		renamed[to] = file{content, f.mode}
	}
	for path := range t.files {
		if _, stays := renamed[path]; !stays {
			if err := t.remove(path); err != nil {
				return done, err
			}
		}
	}
	for path, f := range renamed {
		old, here := t.files[path]
		if here && bytes.Equal(old.content, f.content) {
			continue
		}
		done.changed++
		if !here {
			done.moved++
		}
		name := filepath.Join(t.dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
			return done, err
		}
		if err := os.WriteFile(name, f.content, f.mode); err != nil {
			return done, err
		}
	}
	return done, nil
}

// remove deletes a file and the directories it leaves empty.
func (t *tree) remove(path string) error {
	name := filepath.Join(t.dir, filepath.FromSlash(path))
	if err := os.Remove(name); err != nil {
		return err
	}
	for dir := filepath.Dir(name); dir != filepath.Clean(t.dir) && os.Remove(dir) == nil; { // until one is not empty
		dir = filepath.Dir(dir)
	}
	return nil
}
