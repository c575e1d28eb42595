// Package jsonscan checks that a text is JSON and finds values in it, in one pass and without allocating memory.
//
//	scan.go     Scan: values, members and elements, one loop for all levels
//	level.go    the arrays and objects that are open
//	string.go   strings, eight bytes at a time
//	number.go   numbers and the three literals
//	member.go   Member: a value and its place
//	error.go    what is wrong with a text, and where
//
// It accepts what encoding/json.Valid accepts, up to MaxDepth levels. It knows the grammar and not the meaning of a
// member. It is not recursive, so that no text can exhaust the stack. It does not decode: a visitor gets the bytes of
// the text. A parser that builds values was rejected: a body can have megabytes, and the service needs a dozen bytes
// of it.
package jsonscan

// MaxDepth is the number of levels of nested arrays and objects, the outermost included. It is the same for requests
// and for vendors' answers: both must be safe for every parser that reads them later.
const MaxDepth = 1000

// MaxVisit is the deepest level whose values can be visited.
const MaxVisit = 15

// Scanner holds what to check in a text and what to find in it. The zero value only checks the grammar. Several
// goroutines may use a Scanner at the same time if its Visit allows it.
type Scanner struct {
	// UTF8 refuses texts that are not valid UTF-8. Without it a string may have any byte from 0x80 on, as in
	// encoding/json.
	UTF8 bool
	// Depth is the deepest level whose values are visited, at most MaxVisit. 0 visits only the text's own value; 1
	// also the members of an outermost object and the elements of an outermost array.
	Depth int
	// Visit is called with each of those values when its last byte has been read, so the parts of a value come before
	// the whole. Values are visited until the first mistake in the text: use them only when Scan returns nil. Visit
	// may be nil.
	Visit func(Member)
}

// Valid reports whether text is one JSON value of at most MaxDepth levels.
func Valid(text []byte) bool { return Scanner{}.Scan(text) == nil }

// Scan reads text once. The error is an *Error with the place of the first mistake.
func (c Scanner) Scan(text []byte) error {
	s := scan{text: text, utf8: c.UTF8, visible: -1}
	if c.Visit != nil {
		s.visible = min(max(c.Depth, 0), MaxVisit)
	}
	if at, wrong := s.document(c.Visit); wrong != "" {
		return s.mistake(at, wrong)
	}
	return nil
}

// scan is the state of one pass. The visitor is not part of it: if it were, the compiler would put all variables that
// the visitor writes to on the heap.
type scan struct {
	text    []byte
	utf8    bool
	visible int // the deepest level whose values are visited, -1 for none
	depth   int // arrays and objects that are open
	objects [MaxDepth/64 + 1]uint64
	levels  [MaxVisit + 2]level // the visible ones and one more, for where visible arrays and objects begin
}

// document reads the whole text. It returns the offset of a mistake and what is expected there, or "".
func (s *scan) document(visit func(Member)) (at int, wrong Problem) {
	i, text := 0, s.text
	for {
		i = skipSpace(text, i)
		if i == len(text) {
			return i, wantValue
		}
		switch start := i; text[i] {
		case '{', '[':
			var opened bool
			if i, opened, wrong = s.open(i); wrong != "" {
				return i, wrong
			}
			if opened {
				continue
			}
		case '"':
			if i, _, wrong = s.str(i); wrong != "" {
				return i, wrong
			}
			s.found(start, i, visit)
		default:
			if i, wrong = scalar(text, i); wrong != "" {
				return i, wrong
			}
			s.found(start, i, visit)
		}
		var more bool
		if i, more, wrong = s.next(i, visit); !more {
			return i, wrong
		}
	}
}

// open enters the array or object that begins at i and reads up to its first value. It reports false when the array or
// object is empty; its closing bracket is then the next byte.
func (s *scan) open(i int) (next int, value bool, wrong Problem) {
	if s.depth == MaxDepth {
		return i, false, TooDeep
	}
	object := s.text[i] == '{'
	s.push(i, object)
	i = skipSpace(s.text, i+1)
	switch {
	case object && i < len(s.text) && s.text[i] == '}':
		return i, false, ""
	case object:
		i, wrong = s.key(i, wantKeyOrEnd)
	case i < len(s.text) && s.text[i] == ']':
		return i, false, ""
	}
	return i, true, wrong
}

// next reads from the end of a value to the next value: a comma, and a name in an object. It leaves the arrays and
// objects that end in between. It reports false at the end of the text and at a mistake.
func (s *scan) next(i int, visit func(Member)) (next int, more bool, wrong Problem) {
	for text := s.text; ; i++ {
		i = skipSpace(text, i)
		if s.depth == 0 {
			if i < len(text) {
				return i, false, wantNothing
			}
			return i, false, ""
		}
		object := s.inObject()
		switch {
		case i < len(text) && text[i] == ',' && object:
			i, wrong = s.key(skipSpace(text, i+1), wantKey)
			return i, wrong == "", wrong
		case i < len(text) && text[i] == ',':
			return i + 1, true, ""
		case object && (i == len(text) || text[i] != '}'):
			return i, false, wantCommaOrBrace
		case !object && (i == len(text) || text[i] != ']'):
			return i, false, wantCommaOrBracket
		}
		s.pop(i+1, visit)
	}
}

// key reads a member's name and the colon after it.
func (s *scan) key(i int, want Problem) (next int, wrong Problem) {
	if i == len(s.text) || s.text[i] != '"' {
		return i, want
	}
	start := i
	i, escaped, wrong := s.str(i)
	if wrong != "" {
		return i, wrong
	}
	if s.depth <= s.visible {
		s.levels[s.depth].key = memberName(s.text[start:i], escaped)
	}
	if i = skipSpace(s.text, i); i == len(s.text) || s.text[i] != ':' {
		return i, wantColon
	}
	return i + 1, ""
}

// skipSpace returns the index of the first byte from i on that is not white space.
func skipSpace(text []byte, i int) int {
	for i < len(text) && text[i] <= ' ' && blanks>>text[i]&1 != 0 {
		i++
	}
	return i
}

// blanks has the bit of each byte that is white space.
const blanks = uint64(1)<<' ' | 1<<'\n' | 1<<'\t' | 1<<'\r'
