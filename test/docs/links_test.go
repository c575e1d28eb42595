package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	fence    = regexp.MustCompile("(?ms)^```.*?^```")
	comment  = regexp.MustCompile("(?s)<!--.*?-->")
	inline   = regexp.MustCompile("`[^`\n]*`")
	link     = regexp.MustCompile(`\]\(([^)\s]+)(?: "[^"]*")?\)`)
	htmlLink = regexp.MustCompile(`(?:src|srcset|href)="([^"]+)"`)
	heading  = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)
	refers   = regexp.MustCompile(`\]\[([^\]]+)\]`)
	defines  = regexp.MustCompile(`(?m)^\[([^\]]+)\]: `)
	short    = regexp.MustCompile(`github\.com/[^/\s]+/[^/\s]+/(?:blob|commit|raw|tree)/[0-9a-f]{7,39}(?:[/)\s]|$)`)
)

// pages are all Markdown pages of the repository, by path.
func pages(t *testing.T) []string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard",
		"*.md")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for path := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		if _, err := os.Stat(filepath.Join(root, path)); err == nil {
			all = append(all, path)
		}
	}
	if len(all) < 20 {
		t.Fatalf("only these pages: %v", all)
	}
	return all
}

// anchors are the names that a page's headings have on GitHub.
func anchors(text string) map[string]bool {
	names := map[string]bool{"": true}
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		title := strings.NewReplacer("`", "", "*",
			"").Replace(link.ReplaceAllString(strings.ReplaceAll(m[1], "[", ""), ""))
		var b strings.Builder
		for _, r := range strings.ToLower(title) {
			switch {
			case unicode.IsLetter(r), unicode.IsNumber(r), r == '-', r == '_':
				b.WriteRune(r)
			case r == ' ':
				b.WriteByte('-')
			}
		}
		name := b.String()
		for n := 1; names[name]; n++ { // GitHub numbers a title that is there already
			name = fmt.Sprintf("%s-%d", b.String(), n)
		}
		names[name] = true
	}
	return names
}

// TestLinks: every link to a file and every anchor exists. Of links to other sites only the form is checked.
func TestLinks(t *testing.T) {
	t.Parallel()
	links := 0
	for _, page := range pages(t) {
		text := read(t, page)
		body := inline.ReplaceAllString(comment.ReplaceAllString(fence.ReplaceAllString(text, ""), ""), "")
		checkReferences(t, page, body)
		found := append(link.FindAllStringSubmatch(body, -1), htmlLink.FindAllStringSubmatch(body, -1)...)
		for _, m := range found {
			if strings.Contains(m[1], "://") {
				continue
			}
			links++
			path, anchor, _ := strings.Cut(m[1], "#")
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), path)
			}
			info, err := os.Stat(filepath.Join(root, target))
			switch {
			case err != nil:
				t.Errorf("%s: there is no %s", page, m[1])
			case anchor != "" && !info.IsDir() && strings.HasSuffix(target, ".md") && !anchors(read(t, target))[anchor]:
				t.Errorf("%s: %s has no heading #%s", page, target, anchor)
			}
		}
	}
	if links < 50 {
		t.Errorf("only %d links", links)
	}
}

// checkReferences looks at the links of a page whose address stands elsewhere on it: each has one, and each address is
// used. A commit that a link names is whole, because a short one may become that of two commits.
func checkReferences(t *testing.T, page, body string) {
	t.Helper()
	defined, used := map[string]bool{}, map[string]bool{}
	for _, m := range defines.FindAllStringSubmatch(body, -1) {
		defined[strings.ToLower(m[1])] = true
	}
	for _, m := range refers.FindAllStringSubmatch(body, -1) {
		name := strings.ToLower(m[1])
		used[name] = true
		if !defined[name] {
			t.Errorf("%s: the link [%s] has no address", page, m[1])
		}
	}
	for name := range defined {
		if !used[name] {
			t.Errorf("%s: the address of [%s] is not used", page, name)
		}
	}
	for _, m := range short.FindAllString(body, -1) {
		t.Errorf("%s: the commit is not whole: %s", page, m)
	}
}
