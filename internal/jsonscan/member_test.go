package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spillway-dev/spillway/internal/jsonscan"
)

func TestVisitsInOrder(t *testing.T) {
	t.Parallel()
	text := ` {"model": "m", ` +
		`"choices":[{"delta":{"content":"x"},"finish_reason":null}, 7], "usage":{"a":{"deep":[1]}}, "e":{}} `
	var got []string
	scanner := jsonscan.Scanner{Depth: 3, Visit: func(m jsonscan.Member) {
		got = append(got, fmt.Sprintf("%d %s.%s %s", m.Depth, m.Of, m.Key, m.Value))
	}}
	if err := scanner.Scan([]byte(text)); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`1 .model "m"`,
		`3 choices.delta {"content":"x"}`,
		`3 choices.finish_reason null`,
		`2 choices. {"delta":{"content":"x"},"finish_reason":null}`,
		`2 choices. 7`,
		`1 .choices [{"delta":{"content":"x"},"finish_reason":null}, 7]`,
		`3 a.deep [1]`,
		`2 usage.a {"deep":[1]}`,
		`1 .usage {"a":{"deep":[1]}}`,
		`1 .e {}`,
		`0 . ` + strings.TrimSpace(text),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestMember(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		kind  jsonscan.Kind
		text  string
		float float64
	}{
		`null`:               {kind: jsonscan.Null},
		`true`:               {kind: jsonscan.True},
		`false`:              {kind: jsonscan.False},
		`-1.5e1`:             {kind: jsonscan.Number, float: -15},
		`1e999`:              {kind: jsonscan.Number, float: math.Inf(1)},
		`"a"`:                {kind: jsonscan.String, text: "a"},
		`"\u0061\n\"\ud800"`: {kind: jsonscan.String, text: "a\n\"\ufffd"},
		`[1]`:                {kind: jsonscan.Array},
		`{"a":1}`:            {kind: jsonscan.Object},
	} {
		var got jsonscan.Member
		if err := (jsonscan.Scanner{Visit: func(m jsonscan.Member) { got = m }}.Scan([]byte(text))); err != nil {
			t.Fatal(err)
		}
		if got.Kind() != want.kind || got.Text() != want.text || got.Float() != want.float {
			t.Errorf("%s: got %v %q %v", text, got.Kind(), got.Text(), got.Float())
		}
	}
}

// TestEscapedNames: an escaped name is the same name to the vendor.
func TestEscapedNames(t *testing.T) {
	t.Parallel()
	var key, of string
	scanner := jsonscan.Scanner{Depth: 2, Visit: func(m jsonscan.Member) {
		if m.Depth == 2 {
			of, key = string(m.Of), string(m.Key)
		}
	}}
	if err := scanner.Scan([]byte(`{"us\u0061ge":{"\u0074okens":1}}`)); err != nil || of != "usage" || key != "tokens" {
		t.Errorf("got %q of %q, %v", key, of, err)
	}
}

func TestScanDoesNotAllocate(t *testing.T) { //nolint:paralleltest // it counts the process's allocations
	for name, text := range samples() {
		if !json.Valid(text) {
			continue // an error is an allocation
		}
		n := testing.AllocsPerRun(10, func() {
			visits := 0
			_ = jsonscan.Scanner{UTF8: true, Depth: 8, Visit: func(jsonscan.Member) { visits++ }}.Scan(text)
			if visits == 0 {
				t.Errorf("%s: nothing was visited", name)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// visitsAsEncodingJSON fails the test when the visited values of a text are not those that encoding/json finds.
// encoding/json replaces invalid UTF-8 in names; such texts are left out.
func visitsAsEncodingJSON(t interface {
	Errorf(format string, args ...any)
}, text []byte) {
	var got []string
	scanner := jsonscan.Scanner{Depth: 3, Visit: func(m jsonscan.Member) {
		got = append(got, fmt.Sprintf("%d %q %q %s", m.Depth, m.Of, m.Key, m.Value))
	}}
	if scanner.Scan(text) != nil || !utf8.Valid(text) {
		return
	}
	if want := walk(nil, nil, nil, bytes.TrimSpace(text), 0); !reflect.DeepEqual(got, want) {
		t.Errorf("%q: got\n%s\nwant\n%s", text, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// walk lists what Scan should visit, recursively, with encoding/json.
func walk(list []string, of, key []byte, value []byte, depth int) []string {
	around := key
	if around == nil {
		around = of
	}
	for name, part := range parts(value) {
		if depth < 3 {
			list = walk(list, around, name, part, depth+1)
		}
	}
	return append(list, fmt.Sprintf("%d %q %q %s", depth, of, key, value))
}

// parts yields the members or elements of value, with their names.
func parts(value []byte) func(yield func(name, part []byte) bool) {
	return func(yield func(name, part []byte) bool) {
		d := json.NewDecoder(bytes.NewReader(value))
		if first, _ := d.Token(); first != json.Delim('{') && first != json.Delim('[') {
			return
		}
		for d.More() {
			var name []byte
			if value[0] == '{' {
				key, _ := d.Token()
				name = append([]byte{}, key.(string)...)
			}
			var part json.RawMessage
			_ = d.Decode(&part)
			if !yield(name, part) {
				return
			}
		}
	}
}
