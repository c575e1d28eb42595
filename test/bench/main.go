//go:build linux

// Command bench measures the whole service against a bare forwarder, side by side on this machine: real processes, a
// real Redis, every layer on. The measured program has one core for itself; everything else has the other cores. Rounds
// are interleaved and medians are printed, because machines are noisy. Processor time per request is the least noisy
// figure. The table has a bar for each figure and whether it is reached, and nothing fails when it is not. `make bench`
// builds what it needs.
//
//	main.go       flags, and the parts that can be measured
//	programs.go   the measured programs; nginx.go: nginx as a forwarder
//	measure.go    small requests, in rounds
//	reject.go     refusals; lanes.go: a lane that is not used
//	bodies.go     bodies of a megabyte
//	streams.go    streams: events, first events, memory; streamreader.go: their client; streamer.go: their vendor
//	memory.go     memory of a request in flight
//	coldstart.go  time from the start until ready
//	cores.go      throughput on several cores
//	report.go     figures, bars and the table
//	load.go       the load generator; pace.go: at a fixed rate
//	vendor.go     the vendor; wire.go, poll.go: cheap HTTP for both
//	process.go    starts and measures a program; pin.go: its cores; admin.go: its admin port
package main

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	b := &bench{}
	flag.IntVar(&b.rounds, "rounds", 7, "interleaved rounds of each measurement")
	flag.DurationVar(&b.length, "time", 3*time.Second, "length of one measurement")
	flag.StringVar(&b.serverPath, "server", "bin/server", "the service's binary")
	flag.StringVar(&b.barePath, "bare", "bin/bare", "the bare forwarder's binary")
	flag.StringVar(&b.besidePath, "beside", "", "another build of the service, to be measured beside this one")
	only := flag.String("only", "", "measure only these parts, separated by commas: "+
		strings.Join(b.partNames(), ", "))
	onCores := flag.Bool("cores", false, "measure throughput on 1, 2 and 4 cores, and nothing else")
	page := flag.String("write", "", "write the table into this page too, between its bench marks")
	flag.StringVar(&b.profilePath, "cpuprofile", "",
		"write a CPU profile of the service to this file: at saturation, for PGO, or of bodies or streams with -only")
	flag.Parse()
	b.cores = 1
	err := pin(*onCores)
	switch {
	case err != nil:
	case b.profilePath != "" && *only == "":
		err = b.profile()
	case *onCores:
		err = b.acrossCores()
	default:
		err = b.measure(*only)
	}
	b.close()
	if err == nil && len(b.rows) > 0 {
		err = b.print(*page)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// print writes the table to the standard output, and into page when one is named.
func (b *bench) print(page string) error {
	var table strings.Builder
	b.report(&table)
	fmt.Print(table.String())
	if page == "" {
		return nil
	}
	return writeInto(page, table.String())
}

// bench is what all measurements use.
type bench struct {
	rounds                           int
	length                           time.Duration
	serverPath, barePath, besidePath string
	profilePath                      string
	cores                            int // of the measured program

	rows      []row
	dir       string
	redisAddr string
	redis     *process
	started   []*process
}

const chatBody = `{"model":"bench","messages":[{"role":"system","content":"You are a helpful assistant that answers in one sentence."},{"role":"user","content":"What does the quick brown fox do, and why does it do that again and again?"}],"max_tokens":64}`

// chatRequest is a request of a chat application, of a few hundred bytes.
var chatRequest = post("bench-key", chatBody)

// part is a measurement with a name for -only.
type part struct {
	name    string
	measure func() error
}

func (b *bench) parts() []part {
	return []part{
		{"requests", b.requests},
		{"refusals", b.refusals},
		{"bodies", b.bodies},
		{"streams", b.streams},
		{"inflight", b.inFlightMemory},
		{"coldstart", b.coldStarts},
	}
}

func (b *bench) partNames() (names []string) {
	for _, p := range b.parts() {
		names = append(names, p.name)
	}
	return names
}

// measure runs the parts in only, or all when it is empty.
func (b *bench) measure(only string) error {
	for name := range strings.SplitSeq(only, ",") {
		if only != "" && !slices.Contains(b.partNames(), name) {
			return fmt.Errorf("there is no part %q: %s", name, strings.Join(b.partNames(), ", "))
		}
	}
	if err := b.prepare(); err != nil {
		return err
	}
	for _, p := range b.parts() {
		if only != "" && !slices.Contains(strings.Split(only, ","), p.name) {
			continue
		}
		begin := time.Now()
		if err := p.measure(); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		fmt.Fprintf(os.Stderr, "%s: %v\n", p.name, time.Since(begin).Round(time.Second))
	}
	return nil
}

func (b *bench) close() {
	for _, p := range slices.Backward(b.started) {
		p.stop()
	}
	b.started = nil
	if b.dir != "" {
		_ = os.RemoveAll(b.dir)
	}
}

func (b *bench) prepare() (err error) {
	if b.dir, err = os.MkdirTemp("", "bench"); err != nil {
		return err
	}
	key := fmt.Sprintf("%x bench enterprise\n%x limited free\n", sha256.Sum256([]byte("bench-key")),
		sha256.Sum256([]byte("limited-key")))
	if err := os.WriteFile(filepath.Join(b.dir, "keys"), []byte(key), 0o600); err != nil {
		return err
	}
	if b.redisAddr, err = freeAddr(); err != nil {
		return err
	}
	_, port, _ := strings.Cut(b.redisAddr, ":")
	b.redis, err = launch(b.dir, "redis", nil, "redis-server", "--port", port, "--save", "", "--appendonly", "no")
	if err := b.keep(b.redis, err); err != nil {
		return err
	}
	return b.redis.listens(b.redisAddr)
}

func (b *bench) keep(p *process, err error) error {
	if err == nil {
		b.started = append(b.started, p)
	}
	return err
}
