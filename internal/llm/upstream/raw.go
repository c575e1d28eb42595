package upstream

import (
	"errors"
	"io"

	"github.com/spillway-dev/spillway/internal/llm"
)

// raw passes an answer on as it comes: lines of JSON, or an answer in a coding that this service does not know. Only
// the end of the body shows its end. No event of ours is added to it.
func (s *stream) raw(out *llm.Result) (*llm.Response, error) {
	buf := newBuffer(s.w.ctx, s.v.memory)
	defer buf.Free()
	b, sum := buf.b[:cap(buf.b)], 0
	defer func() { out.Usage.Completion = (sum + 3) / 4 }()
	for {
		n, err := s.res.Body.Read(b)
		if n > 0 {
			sum += n
			s.call.Committed()
			if err := s.pass(b[:n]); err != nil {
				return nil, err
			}
		}
		switch {
		case err == nil:
		case !errors.Is(err, io.EOF):
			return nil, err
		case sum == 0:
			return nil, &llm.VendorError{Kind: llm.KindBadContent, Status: s.res.StatusCode, Err: errNothing}
		case isCloseDelimited(s.res):
			return nil, errCut
		default:
			return s.whole(), nil
		}
	}
}
