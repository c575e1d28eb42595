// Command server is the service: POST /llm for many clients, an LLM vendor behind it, and the protections of both in
// between.
//
//	main     the only place that reads the environment or exits      main.go
//	  dev    --dev: embedded Redis, simulated vendor, known keys     dev.go
//	  ask    -ask: one request to a running service                  ask.go
//	  build  every part, once, in order                              build.go, parts.go, livepage.go, playlog.go, gc.go
//	  serve  listen, serve, close                                    serve.go, closers.go
//	         connections and broken requests                         connlimit.go, malformed.go
//	  drain  unready, serve on, finish what is in flight             drain.go
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/spillway-dev/spillway/internal/apidocs"
	"github.com/spillway-dev/spillway/internal/config"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// program is the name of the binary in its own messages.
const program = "server"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // after the first signal the second one ends the process at once
	err := run(ctx, os.Environ(), os.Args[1:], os.Stdout, os.Stderr)
	os.Exit(exitStatus(err, os.Stderr))
}

// exitStatus prints err and returns the exit status: 2 for a wrong call or configuration, as package flag does.
func exitStatus(err error, stderr io.Writer) int {
	switch _, misconfigured := errors.AsType[config.Problems](err); {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage): // flag has said what is wrong
		return 2
	case misconfigured:
		fmt.Fprintf(stderr, "%s: %v\nSee %[1]s -config-help for every setting, or use --dev for a trial without "+
			"settings.\n", program, err)
		return 2
	}
	fmt.Fprintln(stderr, program+":", err)
	return 1
}

var errUsage = errors.New("wrong arguments")

// options are the flags. Everything else is configured by the environment.
type options struct {
	dev, configHelp, check, version bool
	ask                             string // URL of a running service
}

func parseArgs(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet(program, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&o.dev, "dev", false,
		"run without any configuration: embedded Redis, simulated vendor, well-known keys")
	flags.BoolVar(&o.configHelp, "config-help", false, "print every setting and exit")
	flags.BoolVar(&o.check, "check", false, "check the configuration and exit")
	flags.StringVar(&o.ask, "ask", "",
		"post one request to the service at this `URL`, print the answer and exit; key and model come from "+
			"ASK_API_KEY and ASK_MODEL")
	flags.BoolVar(&o.version, "version", false, "print the version and exit")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, err
		}
		return o, errUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "%s takes no arguments, only flags and the environment: %q\n", program, flags.Args())
		return o, errUsage
	}
	return o, nil
}

// run is the whole program. It returns when ctx has ended and everything is closed, or when it cannot go on.
func run(ctx context.Context, environ, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parseArgs(args, stderr)
	switch {
	case err != nil:
		return err
	case o.configHelp:
		return config.WriteHelp(stdout)
	case o.version:
		_, err := fmt.Fprintln(stdout, buildVersion())
		return err
	case o.ask != "":
		return ask(ctx, o.ask, lookupIn(environ), stdout)
	}
	level := new(slog.LevelVar)
	lines := telemetry.NewBatch(stderr)
	defer func() { err = errors.Join(err, lines.Close()) }() // after everything else, so that the last words get out
	log := slog.New(telemetry.Urgent(telemetry.NewLogger(lines, level).Handler(), lines))
	cleanup := &closers{log: log}
	defer func() { err = errors.Join(err, cleanup.closeAll()) }()
	if o.dev {
		if environ, err = devEnvironment(ctx, environ, cleanup); err != nil {
			return err
		}
	}
	cfg, err := config.Load(environ)
	if err != nil || o.check {
		return err
	}
	level.Set(cfg.Server.LogLevel)
	setGC(lookupIn(environ))
	if cfg.Server.Playground {
		log = slog.New(playLog{log.Handler()})
	}
	log.LogAttrs(ctx, slog.LevelInfo, "starting", slog.String("version", buildVersion()),
		slog.Any("changed_settings", cfg))
	log.LogAttrs(ctx, slog.LevelInfo, "what the settings rule out", slog.Any("answers", cfg.RulesOut()))
	for _, w := range cfg.Warnings() {
		log.LogAttrs(ctx, slog.LevelWarn, w)
	}
	var trial apidocs.Trial
	if o.dev {
		if trial, err = devTrial(cfg.Inbound.APIKeysFile); err != nil {
			return err
		}
	}
	svc, err := build(ctx, cfg, lookupIn(environ), log, cleanup, trial)
	if err != nil {
		return err
	}
	if err := lines.Register(svc.reg); err != nil {
		return err
	}
	playOn(svc, cfg, o.dev)
	if o.dev {
		vendor := vendorRoot(cfg.LLM.Vendor.URL)
		svc.greet = func() { welcome(stdout, svc, vendor) }
	}
	return svc.serve(ctx)
}

// version is set by the linker (-X main.version=…) when an image is built. Other builds have Go's own stamp.
var version string

// buildVersion is what the build was stamped with: a tag, or a commit.
func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return cmp.Or(version, info.Main.Version)
	}
	return cmp.Or(version, "unknown")
}

// lookupIn is os.LookupEnv over a list of pairs, the last one of a name winning.
func lookupIn(environ []string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, pair := range slices.Backward(environ) {
			if value, ok := strings.CutPrefix(pair, name+"="); ok {
				return value, true
			}
		}
		return "", false
	}
}
