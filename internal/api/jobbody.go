package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spillway-dev/spillway/internal/jobs"
	"github.com/spillway-dev/spillway/internal/memory"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// responseOf is the vendor's answer to a job, as its document shows it, and the body in parts: JSON as it is, another
// text as a string, and what cannot be decoded in base64. share has the memory of the answer, and gets that of the
// decoded one. The error is a *outcome.Rejected, or the cause of ctx.
func responseOf(ctx context.Context, j *jobs.Job, share *memory.Share) (*jobResponse, iter.Seq[[]byte], error) {
	r := &jobResponse{Status: j.Status, ContentType: j.ContentType}
	answer, err := decoded(ctx, j.Answer, j.Coding, share)
	_, refused := errors.AsType[*outcome.Rejected](err)
	switch {
	case refused, err != nil && ctx.Err() != nil:
		return nil, nil, err
	case err != nil:
		r.Coding = j.Coding
		//nolint:nilerr // an answer that cannot be decoded is shown as it is
		return r, quoted(j.Answer, threeBytes, base64.StdEncoding.AppendEncode), nil
	case json.Valid(answer):
		return r, slices.Chunk(answer, step), nil
	}
	return r, quoted(answer, wholeRunes, appendText), nil
}

// decodedMost bounds the size of an answer after decoding, in bytes.
const decodedMost = 16 << 20

// decoded undoes the Content-Encoding of an answer. share gets the memory that this takes.
func decoded(ctx context.Context, answer []byte, coding string, share *memory.Share) ([]byte, error) {
	if coding == "" || strings.EqualFold(coding, "identity") {
		return answer, nil
	}
	if !strings.EqualFold(coding, "gzip") {
		return nil, fmt.Errorf("content encoding %q", coding)
	}
	r, err := gzip.NewReader(bytes.NewReader(answer))
	if err != nil {
		return nil, err
	}
	plain, err := share.ReadAll(ctx, r, nil, -1, decodedMost)
	if err == nil && len(plain) > decodedMost {
		err = errors.New("the decoded answer is too large")
	}
	return plain, err
}

// quotedPart is how much of an answer is quoted at a time, in bytes: a multiple of three. Quoted it is at most six
// times as long.
const quotedPart = 48 << 10

// quoted is an answer as a JSON string, in parts, each valid until the next one. cut returns how much of the rest makes
// the next part, and encode appends that part as it stands in the string.
func quoted(answer []byte, cut func([]byte) int, encode func(b, part []byte) []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		part := []byte{'"'}
		for len(answer) > 0 {
			n := cut(answer)
			part = encode(part, answer[:n])
			if answer = answer[n:]; !yield(part) {
				return
			}
			part = part[:0]
		}
		yield(append(part, '"'))
	}
}

// threeBytes cuts where base64 may be cut: after a multiple of three bytes.
func threeBytes(rest []byte) int { return min(len(rest), quotedPart) }

// wholeRunes cuts where no character is split.
func wholeRunes(rest []byte) int {
	if len(rest) <= quotedPart {
		return len(rest)
	}
	for n := quotedPart; n > quotedPart-utf8.UTFMax; n-- {
		if utf8.RuneStart(rest[n]) {
			return n
		}
	}
	return quotedPart // of bytes that are no characters
}

// appendText appends text as it stands in a JSON string.
func appendText(b, text []byte) []byte {
	quoted := appendJSONString(nil, string(text))
	return append(b, quoted[1:len(quoted)-1]...)
}
