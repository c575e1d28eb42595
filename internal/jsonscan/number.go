package jsonscan

// scalar reads the number or literal that begins at i.
func scalar(text []byte, i int) (next int, wrong Problem) {
	switch c := text[i]; {
	case c == '-' || isDigit(c):
		return number(text, i)
	case c == 't':
		return literal(text, i, "true", wantTrue)
	case c == 'f':
		return literal(text, i, "false", wantFalse)
	case c == 'n':
		return literal(text, i, "null", wantNull)
	}
	return i, wantValue
}

// number reads an optional minus sign, an integer without leading zeros, an optional fraction and an optional exponent.
func number(text []byte, i int) (next int, wrong Problem) {
	if text[i] == '-' {
		i++
	}
	if i < len(text) && text[i] == '0' {
		i++
	} else if i, wrong = digits(text, i); wrong != "" {
		return i, wrong
	}
	if i < len(text) && text[i] == '.' {
		if i, wrong = digits(text, i+1); wrong != "" {
			return i, wrong
		}
	}
	if i < len(text) && (text[i] == 'e' || text[i] == 'E') {
		if i++; i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		return digits(text, i)
	}
	return i, ""
}

// digits reads at least one digit.
func digits(text []byte, i int) (next int, wrong Problem) {
	if i == len(text) || !isDigit(text[i]) {
		return i, wantDigit
	}
	for i < len(text) && isDigit(text[i]) {
		i++
	}
	return i, ""
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func literal(text []byte, i int, word, want Problem) (next int, wrong Problem) {
	for j := range len(word) {
		if i+j == len(text) || text[i+j] != word[j] {
			return i + j, want
		}
	}
	return i + len(word), ""
}
