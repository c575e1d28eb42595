package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// flood makes the load pod send requests at a rate, and returns the number of answers by status.
func (r *release) flood(query string, args ...any) (map[string]int, error) {
	out, err := r.raw("get", "pods/load:8080", "/flood?url="+url.QueryEscape(gatewayURL)+"&"+
		fmt.Sprintf(query, args...), "")
	if err != nil {
		return nil, err
	}
	found := map[string]int{}
	return found, json.Unmarshal([]byte(out), &found)
}

// within returns an error unless got is what the limit and its burst allow during a flood.
func within(got, limit int) error {
	most := float64(limit*floodSeconds+limit) * gatewayBurst
	if least := float64(limit*floodSeconds) * 0.8; float64(got) > most || float64(got) < least {
		return fmt.Errorf("%d let through, where %d a second for %d s allow %.0f to %.0f", got, limit, floodSeconds,
			least, most)
	}
	return nil
}

// oneAddress sends too many requests from one address, each to another Host.
func oneAddress(r *release) (string, error) {
	found, err := r.flood("rate=%d&seconds=%d&addresses=1&hosts=1", 4*perAddress, floodSeconds)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d of %d a second let through %v", perAddress, 4*perAddress, found),
		within(found["200"], perAddress)
}

// neighbour sends at half of its limit from one address, while another address sends far more than the limit for all.
// The excess must be refused before it counts against the limit for all, so that the neighbour loses nothing.
func neighbour(r *release) (string, error) {
	time.Sleep(2 * time.Second) // the buckets fill again
	type result struct {
		found map[string]int
		err   error
	}
	flooded := make(chan result, 1)
	go func() {
		found, err := r.flood("rate=%d&seconds=%d&addresses=1", 4*total, floodSeconds+2)
		flooded <- result{found, err}
	}()
	time.Sleep(time.Second) // the flood has filled its bucket
	quiet, err := r.flood("rate=%d&seconds=%d&addresses=1&from=100", perAddress/2, floodSeconds)
	flood := <-flooded
	if err = errors.Join(err, flood.err); err != nil {
		return "", err
	}
	said := fmt.Sprintf("%d a second beside %d of another address %v, which got %v",
		perAddress/2, 4*total, quiet, flood.found)
	for status, n := range quiet {
		if status != "200" && n > 0 {
			return "", errors.New("one address used up the limit for all: " + said)
		}
	}
	return said, nil
}

// allAddresses sends too many requests from many addresses, each within its own limit, each request to another Host.
func allAddresses(r *release) (string, error) {
	found, err := r.flood("rate=%d&seconds=%d&addresses=20&hosts=1", 3*total, floodSeconds)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d of %d a second from 20 addresses let through %v", total, 3*total, found),
		within(found["200"], total)
}

// inFlight opens streams of a few seconds, from one address and from many.
func inFlight(r *release) (string, error) {
	time.Sleep(2 * time.Second) // the buckets fill again
	one, err := r.flood("rate=%d&seconds=2&addresses=1&stream=1&hosts=1", perAddress-2)
	if err != nil {
		return "", err
	}
	time.Sleep(2 * time.Second) // the streams end
	many, err := r.flood("rate=%d&seconds=2&addresses=20&stream=1&hosts=1", total-10)
	if err != nil {
		return "", err
	}
	said := fmt.Sprintf("%d streams from one address %v, %d from 20 %v", heldByAddress, one, held, many)
	if one["200"] < heldByAddress-1 || one["200"] > heldByAddress+1 || many["200"] < held-2 || many["200"] > held+2 {
		return "", errors.New("not as many as allowed: " + said)
	}
	return said, nil
}
