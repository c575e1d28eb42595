package jsonscan

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// Member is a value and its place: a member of an object, an element of an array, or the text's own value. Its slices
// point into the scanned text, except for names with escapes.
type Member struct {
	Depth int    // number of arrays and objects around it: 0 for the text's own value
	Of    []byte // the name of the nearest member around it, or nil. For "b" in {"a":[{"b":1}]} it is "a"
	Key   []byte // its name, unescaped; nil for an element and for the text's own value
	Value []byte // its bytes in the text: a string with its quotes, an object with its braces
}

// Kind is the type of a value in JSON.
type Kind byte

// The kinds of values.
const (
	Null Kind = iota
	False
	True
	Number
	String
	Array
	Object
)

// Kind returns the kind of the value.
func (m Member) Kind() Kind {
	switch m.Value[0] {
	case 'n':
		return Null
	case 'f':
		return False
	case 't':
		return True
	case '"':
		return String
	case '[':
		return Array
	case '{':
		return Object
	}
	return Number
}

// Text returns a copy of the value of a string, unescaped; "" for other kinds.
func (m Member) Text() string {
	if m.Kind() != String {
		return ""
	}
	inner := m.Value[1 : len(m.Value)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner)
	}
	return string(unescaped(m.Value))
}

// Float returns the value of a number: an infinity when it is too large for a float64, 0 for other kinds.
func (m Member) Float() float64 {
	if m.Kind() != Number {
		return 0
	}
	f, _ := strconv.ParseFloat(string(m.Value), 64) // the only possible error is that of the infinity
	return f
}

// memberName returns the text of a quoted name.
func memberName(quoted []byte, escaped bool) []byte {
	if escaped {
		return unescaped(quoted)
	}
	return quoted[1 : len(quoted)-1]
}

// unescaped decodes a string that the grammar allows. Halves of surrogate pairs become U+FFFD, as in most parsers.
func unescaped(quoted []byte) []byte {
	var s string
	_ = json.Unmarshal(quoted, &s) // no error: the text has been checked
	return []byte(s)
}
