package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"
)

// askTimeout is how long ask waits for an answer: longer than any SLA that makes sense.
const askTimeout = 5 * time.Minute

// ask is server -ask: it sends one POST /llm to the service at base and writes the answer's text to w. `helm test` runs
// it inside the cluster, because the image has no shell and no curl. The key comes from ASK_API_KEY and the model from
// ASK_MODEL. Without a key, an answer that asks for one is enough. With ASK_ADMIN_URL, the address of the admin port,
// ask first prints the state of the pod's dependencies.
func ask(ctx context.Context, base string, lookup func(string) (string, bool), w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if admin, _ := lookup("ASK_ADMIN_URL"); admin != "" {
		if err := askParts(ctx, admin, w); err != nil {
			return err
		}
	}
	return askOnce(ctx, base, lookup, w)
}

// askOnce posts the request.
func askOnce(ctx context.Context, base string, lookup func(string) (string, bool), w io.Writer) error {
	key, _ := lookup("ASK_API_KEY")
	model, _ := lookup("ASK_MODEL")
	body, err := json.Marshal(map[string]any{
		"model": cmp.Or(model, "demo"), "messages": []map[string]string{{"role": "user", "content": "Say hello."}},
	})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(base, "/")+"/llm",
		bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("-ask: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("-ask: %w", unreachable(err))
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("-ask: reading the answer: %w", err)
	}
	if key == "" && resp.StatusCode == http.StatusUnauthorized {
		fmt.Fprintln(w, "the service answers and asks for a key; set ASK_API_KEY to go further")
		return nil
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("-ask: %s: %s", resp.Status, answer)
	}
	text, err := completionText(answer)
	if err != nil {
		return fmt.Errorf("-ask: %w: %s", err, answer)
	}
	fmt.Fprintf(w, "%s answered: %s\n", resp.Request.URL, text)
	return nil
}

// askParts prints the state of the pod, and the state of each of its dependencies: "ok" or what is wrong.
func askParts(ctx context.Context, admin string, w io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet,
		strings.TrimSuffix(admin, "/")+"/readyz?verbose", http.NoBody)
	if err != nil {
		return fmt.Errorf("-ask: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("-ask: %w", unreachable(err))
	}
	defer resp.Body.Close()
	var pod struct {
		Status string            `json:"status"`
		Parts  map[string]string `json:"parts"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&pod); err != nil {
		return fmt.Errorf("-ask: %s: reading the state of the pod: %w", resp.Request.URL, err)
	}
	fmt.Fprintln(w, "a pod is", pod.Status)
	for _, part := range slices.Sorted(maps.Keys(pod.Parts)) {
		fmt.Fprintf(w, "  %s: %s\n", part, pod.Parts[part])
	}
	return nil
}

// unreachable adds to err the usual reason why a request does not reach a service in the cluster.
func unreachable(err error) error {
	if _, dns := errors.AsType[*net.DNSError](err); dns {
		return fmt.Errorf("the name is not resolved: DNS does not work on this node, or there is no such Service: %w",
			err)
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("nothing listens at this address: no pod is ready: %w", err)
	}
	return err
}

// completionText returns the model's text. An answer of another form is returned whole when it is JSON.
func completionText(answer []byte) (string, error) {
	var completion struct {
		Choices []struct {
			Message struct {
				Content string `json:"content"`
			} `json:"message"`
		} `json:"choices"`
	}
	if !json.Valid(answer) {
		return "", errors.New("the answer is not JSON")
	}
	if err := json.Unmarshal(answer, &completion); err == nil && len(completion.Choices) > 0 {
		return completion.Choices[0].Message.Content, nil
	}
	return string(answer), nil
}
