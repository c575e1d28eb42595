package quota

import "fmt"

// details returns the text that a rejected client reads, for each rule. The texts are made once.
func details(cfg Config) map[rule]string {
	const unknown = "The state of the vendor's contract cannot be read at the moment"
	return map[rule]string{
		whyRequests: fmt.Sprintf("The vendor's contract of %d calls per %v is used up for now.",
			cfg.Requests, cfg.Window),
		whyTokens: fmt.Sprintf("The vendor's contract of %d tokens per %v is used up for now. "+
			"Smaller calls may pass sooner.", cfg.Tokens, cfg.Window),
		whyPause: "The vendor asked for a pause.",
		whyOrder: "Calls that came earlier wait for the vendor's contract.",
		whyAway:  unknown + ".",
		whyShare: unknown + ", and the part of it that is safe to use is too small for this call.",
		whySize: fmt.Sprintf("The call asks for more tokens than the vendor's whole contract of %d per %v. "+
			"Lower max_tokens, or shorten the prompt.", cfg.Tokens, cfg.Window),
	}
}
