package llm

import (
	"errors"
	"net/http"
)

// Spent returns the number of tokens that the vendor will count for a call. prompt is the estimate for its prompt, and
// estimate the one for the whole call. known is false when the estimate stays.
//
// After a success it is the usage that the vendor reported, or what a stream has delivered. When the client leaves a
// stream that has begun, the vendor stops: what has arrived counts, with a margin for what is still on its way. An
// error answer costs the prompt at most, and one that refuses the key costs nothing, because the vendor does not know
// whose request it was. In all other cases the estimate stays, because the vendor may do the whole work: the client
// left before the first event, a timeout of ours or of a gateway, a broken connection, a broken stream.
func (o *Result) Spent(prompt, estimate int64) (tokens int64, known bool) {
	completion := int64(o.Usage.Completion)
	if o.Usage.Prompt > 0 {
		prompt = int64(o.Usage.Prompt)
	}
	switch {
	case !o.Called:
		return 0, true
	case o.ClientGone && completion > 0:
		return max(prompt+completion, min(estimate, prompt+completion+completion/8+underWay)), true
	case o.ClientGone:
		return estimate, false
	case refusedKey(o.Err):
		return 0, true
	case o.Err == nil && o.Usage.Total() > 0, o.Refused, answeredNo(o.Err):
		return prompt + completion, true
	}
	return estimate, false
}

// underWay is how many tokens of a stream may be on their way when the client leaves.
const underWay = 16

// refusedKey reports whether err is an answer of the vendor that refuses the key.
func refusedKey(err error) bool {
	failed, ok := errors.AsType[*VendorError](err)
	return ok && failed.Kind == KindAuth && !failed.Streamed
}

// answeredNo reports whether err is an answer with which the vendor says that it did not do the work.
func answeredNo(err error) bool {
	failed, ok := errors.AsType[*VendorError](err)
	return ok && failed.Status >= http.StatusMultipleChoices && !failed.Streamed && failed.Kind != KindTooLarge &&
		failed.Kind != KindTimeout && !gaveUp(failed.Status)
}

// statusTimedOut is Cloudflare's, for a server that took the request and did not answer in time.
const statusTimedOut = 524

// gaveUp reports whether an answer may be that of a gateway which no longer waits for the vendor. The model behind it
// may do the whole work.
func gaveUp(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusGatewayTimeout || status == statusTimedOut
}
