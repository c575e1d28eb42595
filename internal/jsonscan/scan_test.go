package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/spillway-dev/spillway/internal/jsonscan"
)

// texts are valid and invalid texts, each for a branch of the grammar.
var texts = []string{
	``, ` `, `{}`, `[]`, ` { } `, "[\n]", `null`, `true`, `false`, `0`, `-0`, `1.5e-7`, `1E+2`, `""`, `"a"`,
	`{"a":1}`, `[1,2,3]`, `{"a":[{"b":{}},[]],"c":null}`, `{`, `[`, `}`, `]`, `{]`, `[}`, `[,]`, `[1,]`, `[1 2]`,
	`{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a" 1}`, `{a:1}`, `{"a":1 "b":2}`, `[1}`, `{"a":1]`, `1 2`, `{}x`, `nul`,
	`nulL`, `tru`, `truex`, `fals`, `fales`, `NaN`, `-`, `+1`, `01`, `1.`, `.5`, `1e`, `1e+`, `-a`, `0x1`, `1_000`,
	`00`, `-01`, `"`, `"\"`, `"\\"`, `"\/\b\f\n\r\t"`, `"\u00e9"`, `"\u00"`, `"\u00g0"`, `"\ud800"`, `"\x"`, `'a'`,
	"\"\n\"", "\"\x00\"", "\"\x1f\"", "\"\x7f\"", "\"\xff\"", "\xff", "{\"\xff\":0}", "\"é\"", "\"\xed\xa0\x80\"",
	"\xef\xbb\xbf{}",
	"\u00a0{}", `"12345678\"12345678"`, `"1234567890123456` + "\x01", `"éééééééééééééééééé"`,
	`"` + strings.Repeat("x", 100) + `"`, `"` + strings.Repeat(`\\`, 50) + `"`, `"` + strings.Repeat("日本",
		20) + `\n"`, `"` + strings.Repeat("x", 31),
}

// agrees fails the test when only one of this package and encoding/json accepts the text.
func agrees(t interface {
	Errorf(format string, args ...any)
}, text []byte) {
	err := jsonscan.Scanner{}.Scan(text)
	mistake, wrong := errors.AsType[*jsonscan.Error](err)
	if wrong && mistake.Problem == jsonscan.TooDeep {
		return
	}
	want := json.Valid(text)
	if (err == nil) != want {
		t.Errorf("%q: got %v, encoding/json says %v", text, err, want)
	}
	if wrong && mistake.Offset != firstMistake(text) {
		t.Errorf("%q: got %v at %d, encoding/json sees it at %d", text, err, mistake.Offset, firstMistake(text))
	}
	if err := (jsonscan.Scanner{UTF8: true}.Scan(text)); (err == nil) != (want && utf8.Valid(text)) {
		t.Errorf("%q, UTF-8 only: got %v", text, err)
	}
}

// firstMistake is the offset at which encoding/json finds a mistake. An invalid byte marks the end of the text.
func firstMistake(text []byte) int {
	var raw json.RawMessage
	syntax, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(append(bytes.Clone(text), 1), &raw))
	if !ok {
		return -1
	}
	return int(syntax.Offset) - 1
}

func TestJudgesAsEncodingJSON(t *testing.T) {
	t.Parallel()
	for _, text := range texts {
		agrees(t, []byte(text))
		for _, around := range []string{" %s ", "[%s]", `{"k":%s}`, "[1,%s,2]", `["ppppppppppppp",%s]`} {
			agrees(t, fmt.Appendf(nil, around, text))
		}
	}
}

// TestEveryByteEverywhere puts each byte at each place of a text that uses the whole grammar.
func TestEveryByteEverywhere(t *testing.T) {
	t.Parallel()
	whole := `{"a":[1,-2.5e+3,true,false,null,"x\n\u00e9é"],"long one":"0123456789abcdef01234"} `
	for at := range len(whole) {
		for c := range 256 {
			agrees(t, []byte(whole[:at]+string([]byte{byte(c)})+whole[at+1:]))
			agrees(t, []byte(whole[:at]+string([]byte{byte(c)})+whole[at:]))
		}
		agrees(t, []byte(whole[:at]))
	}
}

func FuzzScan(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		agrees(t, text)
		visitsAsEncodingJSON(t, text)
	})
}

// TestAgreesOnValues builds texts that are JSON, with white space, and breaks some.
func TestAgreesOnValues(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		text := []byte(drawValue(r, 5))
		agrees(r, text)
		visitsAsEncodingJSON(r, text)
		if at := rapid.IntRange(0, len(text)-1).Draw(r, "at"); rapid.Bool().Draw(r, "cut") {
			agrees(r, text[:at])
		} else {
			text[at] = rapid.Byte().Draw(r, "byte")
			agrees(r, text)
		}
	})
}

func drawValue(r *rapid.T, levels int) string {
	space := rapid.SampledFrom([]string{"", "", " ", "\n\t", "\r\n  "})
	quoted := func() string {
		if rapid.Bool().Draw(r, "plain") {
			b, _ := json.Marshal(rapid.String().Draw(r, "string"))
			return string(b)
		}
		part := rapid.SampledFrom([]string{`\"`, `\\`, `\u0061`, `\ud83d`, "a", "01234567", "é", "日"})
		return `"` + strings.Join(rapid.SliceOf(part).Draw(r, "parts"), "") + `"`
	}
	kinds := 7
	if levels == 0 {
		kinds = 5
	}
	var text string
	switch rapid.IntRange(0, kinds-1).Draw(r, "kind") {
	case 0:
		text = rapid.SampledFrom([]string{"true", "false", "null"}).Draw(r, "literal")
	case 1:
		b, _ := json.Marshal(rapid.Float64Range(-1e30, 1e30).Draw(r, "number"))
		text = string(b)
	case 2, 3, 4:
		text = quoted()
	default:
		object := rapid.Bool().Draw(r, "object")
		var parts []string
		for range rapid.IntRange(0, 4).Draw(r, "parts") {
			part := drawValue(r, levels-1)
			if object {
				part = space.Draw(r, "space") + quoted() + space.Draw(r, "space") + ":" + part
			}
			parts = append(parts, part)
		}
		text = "[" + space.Draw(r, "space") + strings.Join(parts, ",") + "]"
		if object {
			text = "{" + text[1:len(text)-1] + "}"
		}
	}
	return space.Draw(r, "space") + text + space.Draw(r, "space")
}

func TestDepth(t *testing.T) {
	t.Parallel()
	nested := func(n int) string { return strings.Repeat(`[{"a":`, n/2) + "1" + strings.Repeat("}]", n/2) }
	if err := (jsonscan.Scanner{}.Scan([]byte(nested(jsonscan.MaxDepth)))); err != nil {
		t.Errorf("as deep as it may be: %v", err)
	}
	for _, text := range []string{"[" + nested(jsonscan.MaxDepth) + "]", strings.Repeat("[", 16<<20)} {
		err := jsonscan.Scanner{}.Scan([]byte(text))
		mistake, wrong := errors.AsType[*jsonscan.Error](err)
		if !wrong || mistake.Problem != jsonscan.TooDeep || !strings.Contains(err.Error(), "1000 levels") {
			t.Errorf("got %v", err)
		}
	}
}

func TestErrorsSayWhatIsWanted(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                  "unexpected end, want a value",
		`{"a":1,}`:          `unexpected '}', want a name in double quotes`,
		`{'a':1}`:           `unexpected '\'', want a name in double quotes or "}"`,
		`[1 2]`:             `unexpected '2', want "," or "]" after the value`,
		"\"a\nb\"":          `unexpected '\n', want its escape: a string has no control characters`,
		`"abc`:              "unexpected end, want the double quote that ends the string",
		"{\"a\":\"ü\xff\"}": "byte 9 is not UTF-8",
		"\xff\xfe{\x00":     "byte 1 is not UTF-8",
		"{\"a\":\"\xc3":     "byte 7 is not UTF-8",
		"“a”":               "unexpected '“', want a value",
	} {
		if err := (jsonscan.Scanner{UTF8: true}.Scan([]byte(text))); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	err := jsonscan.Scanner{}.Scan([]byte("\xff"))
	if err == nil || err.Error() != "unexpected byte 0xff, want a value" {
		t.Errorf("got %v", err)
	}
}

func TestPosition(t *testing.T) {
	t.Parallel()
	cases := []struct{ offset, line, column int }{{0, 1, 1}, {1, 1, 2}, {2, 2, 1}, {4, 2, 3}, {5, 3, 1}, {99, 3, 1}}
	for _, c := range cases {
		if line, column := jsonscan.Position([]byte("{\nab\n"), c.offset); line != c.line || column != c.column {
			t.Errorf("byte %d: got line %d, column %d", c.offset, line, column)
		}
	}
}
