package follow

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// longestLine is what the value of a header may take at many vendors.
const longestLine = 8 << 10

// Line is the content of a file that holds one line, such as a secret, without the white space around it.
func Line(text []byte) (string, error) {
	line := strings.TrimSpace(string(text))
	switch {
	case line == "":
		return "", errors.New("the file is empty")
	case len(line) > longestLine:
		return "", fmt.Errorf("the file has over %d bytes", longestLine)
	case strings.ContainsFunc(line, unicode.IsControl):
		return "", errors.New("the file has more than one line, or control characters")
	}
	return line, nil
}
