package jsonscan

// level is what a visitor may need of an open array or object. Level 0 is the text itself.
type level struct {
	start int    // offset of its first byte in the text
	of    []byte // the name of the nearest member around it, nil when there is none
	key   []byte // the name of the member that is being read, nil in an array
}

func (s *scan) inObject() bool { return s.objects[s.depth>>6]&(1<<(s.depth&63)) != 0 }

func (s *scan) push(start int, object bool) {
	s.depth++
	bit := uint64(1) << (s.depth & 63)
	s.objects[s.depth>>6] &^= bit
	if object {
		s.objects[s.depth>>6] |= bit
	}
	if s.depth <= s.visible+1 {
		outer := &s.levels[s.depth-1]
		l := level{start: start, of: outer.key}
		if l.of == nil {
			l.of = outer.of
		}
		s.levels[s.depth] = l
	}
}

// pop leaves an array or object. end is the offset behind its closing bracket.
func (s *scan) pop(end int, visit func(Member)) {
	if s.depth--; s.depth <= s.visible {
		s.found(s.levels[s.depth+1].start, end, visit)
	}
}

// found calls the visitor with a value.
func (s *scan) found(start, end int, visit func(Member)) {
	if s.depth <= s.visible {
		l := &s.levels[s.depth]
		visit(Member{Depth: s.depth, Of: l.of, Key: l.key, Value: s.text[start:end]})
	}
}
