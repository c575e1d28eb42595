package upstream

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/spillway-dev/spillway/internal/jsonscan"
	"github.com/spillway-dev/spillway/internal/llm"
)

// buffered reads an answer with a 2xx status in one piece and decides whether it is a success.
func (v *Vendor) buffered(w *watch, call *llm.Call, res *http.Response, out *llm.Result) (*llm.Response, error) {
	buf := newBuffer(w.ctx, v.memory)
	resp, err := v.success(call, res, buf, out)
	if err != nil {
		buf.Free()
		return nil, err
	}
	return resp, nil
}

func (v *Vendor) success(call *llm.Call, res *http.Response, buf *buffer, out *llm.Result) (*llm.Response, error) {
	whole, err := buf.readFrom(res.Body, expectedLength(res), v.maxResponse)
	if err != nil {
		return nil, err
	}
	if !whole {
		err := fmt.Errorf("answer over %d bytes", v.maxResponse)
		return nil, &llm.VendorError{Kind: llm.KindTooLarge, Status: res.StatusCode, Err: err}
	}
	status := res.StatusCode
	var document errorDocument
	if status != http.StatusNoContent {
		var usage llm.Usage
		document, usage, err = readAnswer(buf.b)
		switch {
		case err != nil && isJSON(res.Header) && isCloseDelimited(res):
			return nil, errCut // only the end of the connection could show that it is whole
		case err != nil && isJSON(res.Header):
			err = fmt.Errorf("the answer is not the JSON that it says: %w", err)
			return nil, &llm.VendorError{Kind: llm.KindBadContent, Status: status, Err: err}
		case err == nil && document.found:
			if status, err = errorWithin(&document, res.Header, out); err != nil {
				return nil, err
			}
		}
		if usage.Completion == 0 && !call.Payload.InputOnly {
			usage = unsaid(buf.b, &call.Payload)
		}
		out.Usage = usage
	}
	header := visible(res.Header)
	if status >= http.StatusBadRequest {
		header = withWait(res.Header, &document, &out.Limits)
	}
	return &llm.Response{Status: status, Header: header, Body: buf.b, Memory: buf}, nil
}

// errorWithin returns what an error within an answer of status 200 comes to: a failure, or, when it is about the
// request, the status with which the client gets it.
func errorWithin(d *errorDocument, h http.Header, out *llm.Result) (int, error) {
	out.Limits.RetryAfter = max(out.Limits.RetryAfter, bounded(d.retryDelay))
	if failed := failureOf(d.status(), d, h, &out.Limits); failed != nil {
		failed.Err = errWithin200
		return 0, failed
	}
	return d.status(), nil
}

var errWithin200 = errors.New("an error within an answer of status 200")

// readAnswer reads a buffered answer once, for its usage and for an error in it. err says that it is not JSON.
func readAnswer(body []byte) (document errorDocument, usage llm.Usage, err error) {
	var count usageCount
	scanner := jsonscan.Scanner{Depth: answerDepth, Visit: func(m jsonscan.Member) {
		document.add(m)
		count.add(m)
	}}
	body = withoutMark(body)
	if err = scanner.Scan(body); err != nil {
		plain, odd := withoutOddNumbers(body)
		if !odd {
			return document, usage, err
		}
		document, count = errorDocument{}, usageCount{}
		err = scanner.Scan(plain)
	}
	return document, count.usage(), err
}

// answerDepth is how deep the values of an answer are read: an error's members stand within an array or a response.
const answerDepth = 3

// withoutOddNumbers is a copy of text with a 0 in place of each NaN and Infinity, which some vendors write although
// JSON has no such numbers. odd reports whether there are any.
func withoutOddNumbers(text []byte) (plain []byte, odd bool) {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted || c != 'N' && c != 'I':
		default:
			for _, number := range [...]string{"NaN", "Infinity"} {
				if len(text)-i < len(number) || string(text[i:i+len(number)]) != number {
					continue
				}
				if !odd {
					plain, odd = append([]byte(nil), text...), true
				}
				copy(plain[i:], "0       "[:len(number)])
			}
		}
	}
	return plain, odd
}
