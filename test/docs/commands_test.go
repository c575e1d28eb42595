package docs

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// command is one line of a page that a reader would type: of a block, or between backquotes in a sentence.
type command struct {
	page, text string
	mentioned  bool // in a sentence
}

// notShell are the languages of blocks that are no commands. All others are.
var notShell = []string{"diff", "go", "json", "text", "yaml"}

// programs begin a command in a sentence.
const programs = `(?:[A-Z_]+=\S+ )*(?:(?:make|go|kubectl|helm|curl|docker|skaffold|git|kind)|(?:\./)?bin/\S+)`

var (
	fenceBegin = regexp.MustCompile("^[ \t>]*(?:[-*+] |[0-9]+[.)] )?[ \t]*(`{3,}|~{3,})[ \t]*([^\\s`]*)[^`]*$")
	quotedJSON = regexp.MustCompile(`'\{[^']*'`)
	span       = regexp.MustCompile("`([^`]+)`")
	asCommand  = regexp.MustCompile(`^` + programs + ` \S|^(?:\./)?bin/\S+$`)
	indented   = regexp.MustCompile(`(?m)^(?:\s*\n)(?: {4,}|\t)[$ ]*(` + programs + ` .*)`)
)

// blocks returns the text of the blocks of a page that a shell would run, and the page without any block.
func blocks(page string) (shell []string, rest string) {
	var block, others strings.Builder
	end, isShell := "", false
	for line := range strings.Lines(page) {
		begin := fenceBegin.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		switch {
		case end == "" && begin != nil:
			end, isShell = begin[1], !slices.Contains(notShell, strings.ToLower(begin[2]))
			block.Reset()
		case end == "":
			others.WriteString(line)
		case begin != nil && strings.HasPrefix(begin[1], end) && begin[2] == "":
			if end = ""; isShell {
				shell = append(shell, block.String())
			}
		default:
			block.WriteString(line)
		}
	}
	if isShell && end != "" { // a block that nothing ends goes to the end of the page
		shell = append(shell, block.String())
	}
	return shell, others.String()
}

// commands returns the commands in the blocks of all pages.
func commands(t *testing.T) (all []command) {
	t.Helper()
	for _, page := range pages(t) {
		shell, _ := blocks(read(t, page))
		for _, block := range shell {
			joined := strings.ReplaceAll(block, "\\\n", "")
			joined = quotedJSON.ReplaceAllStringFunc(joined, func(quoted string) string {
				return strings.ReplaceAll(quoted, "\n", " ")
			})
			for line := range strings.Lines(joined) {
				line, _, _ = strings.Cut(" "+strings.TrimPrefix(strings.TrimSpace(line), "$ "), " # ")
				if line = strings.TrimSpace(line); line != "" {
					all = append(all, command{page, line, false})
				}
			}
		}
	}
	return all
}

// mentions returns the commands in the sentences of all pages.
func mentions(t *testing.T) (all []command) {
	t.Helper()
	for _, page := range pages(t) {
		_, rest := blocks(read(t, page))
		for _, m := range indented.FindAllStringSubmatch(rest, -1) {
			all = append(all, command{page, words(m[1]), true})
		}
		for _, m := range span.FindAllStringSubmatch(rest, -1) {
			if text := words(m[1]); asCommand.MatchString(text) {
				all = append(all, command{page, text, true})
			}
		}
	}
	return all
}

// words puts one space between the words of a text.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }

// row is an entry of testdata/commands.txt: how a command of a page is run, or why it is not.
type row struct{ page, how, text string }

// rows reads testdata/commands.txt. Its head says what it looks like.
func rows(t *testing.T) (all []row) {
	t.Helper()
	page := ""
	for line := range strings.Lines(read(t, "test/docs/testdata/commands.txt")) {
		how, text, isRow := strings.Cut(strings.TrimSpace(line), ": ")
		switch {
		case strings.HasPrefix(line, "#"), strings.TrimSpace(line) == "":
		case strings.HasPrefix(line, "    "): // a row goes on
			all[len(all)-1].text += " " + words(line)
		case strings.HasPrefix(line, "  ") && isRow:
			all = append(all, row{page, how, words(text)})
		default:
			page = strings.TrimSpace(line)
		}
	}
	return all
}

// runBy returns the rows that name a test, which runs them: so the list is true.
func runBy(t *testing.T, test string) (own []row) {
	t.Helper()
	for _, r := range rows(t) {
		if r.how == test {
			own = append(own, r)
		}
	}
	return own
}

// TestEveryCommandIsListed: each command of every page has its row, which names the test that runs it or says why there
// is none, and each row has its command.
func TestEveryCommandIsListed(t *testing.T) {
	t.Parallel()
	_, tests := source(t, root)
	list := rows(t)
	found := map[row]bool{}
	for _, c := range append(commands(t), mentions(t)...) {
		i := slices.IndexFunc(list, func(r row) bool { return r.page == c.page && r.text == words(c.text) })
		if i < 0 {
			t.Errorf("%s: testdata/commands.txt does not say what runs %q. A block of no commands needs a language: %v",
				c.page, c.text, notShell)
			continue
		}
		found[list[i]] = true
	}
	for _, r := range list {
		if !found[r] {
			t.Errorf("testdata/commands.txt: %s has no command %q", r.page, r.text)
		}
		isIn := strings.Contains(tests, "func "+r.how+"(")
		if strings.HasPrefix(r.how, ".") {
			isIn = regexp.MustCompile(`(?m)^ *(- run: )?` + regexp.QuoteMeta(r.text) + `( |$)`).MatchString(read(t, r.how))
		}
		if !strings.HasPrefix(r.how, "not run, ") && !isIn {
			t.Errorf("testdata/commands.txt: %q is not in %s, or that is not there", r.text, r.how)
		}
	}
	if len(list) < 80 {
		t.Errorf("only %d commands", len(list))
	}
}
