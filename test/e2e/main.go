// Command e2e tests the chart on the cluster of kubectl's and helm's configuration, for example kind. It installs the
// chart with its bundled Redis and the simulated vendor into a new namespace that enforces the restricted Pod Security
// standard, and checks what can be checked only on a cluster:
//
//	e2e ── kubectl, helm ──▶ API server ──▶ pods of the release
//	                              └───────▶ load, a pod that sends requests through the Service
//
// Each check prints its name, its time and what was measured. The exit code is 1 when a check failed.
// docs/proofs/e2e.md shows a run, and how to make one.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/spillway-dev/spillway/test/prose"
)

// checks run in this order; each leaves the release healthy for the next.
var checks = []struct {
	name string
	run  func(*release) (string, error)
}{
	{"install into a restricted namespace", install},
	{"POST /llm through the Service", throughService},
	{"what NOTES says, port-forward and curl", followNotes},
	{"helm test", helmTest},
	{"NetworkPolicy objects accepted", networkPolicy},
	{"a breaker one pod opened, the other keeps", breaker},
	{"rolling restart under load", rollingRestart},
	{"helm upgrade under load, keys kept", upgrade},
	{"an upgrade that cannot work", badUpgrade},
	{"a newer chart replaces no pod", newerChart},
	{"two releases on one Redis", twoReleases},
	{"a pod killed under load", killed},
	{"large bodies, readers that do not read", largeBodies},
	{"a vendor's key rotated under load", rotated},
	{"failover to another lane under load", failover},
	{"Redis deleted under load", redisDeleted},
	{"evictions and a drain respect the budget", drain},
	{"HPA scales up and back", autoscale},
	{"the gateway's limits through Traefik", throughTraefik},
	{"uninstall leaves only the keys", uninstall},
	{"install again with the keys that were kept", reinstall},
}

func main() {
	r := &release{name: releaseName}
	flag.StringVar(&r.namespace, "namespace", "spillway-e2e", "namespace to create, and to delete at the end")
	flag.StringVar(&r.image, "image", "spillway:e2e", "image of the service, with a tag")
	flag.StringVar(&r.loadImage, "load-image", "spillway-load:e2e", "image of test/e2e/load, with a tag")
	flag.StringVar(&r.traefik, "traefik", "",
		"image of Traefik, with a tag: measures the gateway's limits; needs the CRDs of Gateway API and Traefik")
	flag.StringVar(&r.chart, "chart", "helm/spillway", "chart to install")
	flag.StringVar(&r.dir, "dir", "test/e2e", "where load.yaml and values.yaml are")
	keep := flag.Bool("keep", false, "leave the namespace as it is at the end")
	only := flag.String("run", "", "regular expression: only these checks, after the install")
	flag.Parse()
	os.Exit(run(r, *keep, *only))
}

func run(r *release, keep bool, only string) (exit int) {
	wanted, err := regexp.Compile(only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e: -run:", err)
		return 2
	}
	if err := r.prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	if !keep {
		defer r.cleanUp()
	}
	for i, check := range checks {
		if i > 0 && !wanted.MatchString(check.name) || strings.Contains(check.name, "Traefik") && r.traefik == "" {
			continue
		}
		began := time.Now()
		measured, err := check.run(r)
		took := time.Since(began).Round(time.Second)
		if err == nil {
			printCheck("ok  ", check.name, took, measured)
			continue
		}
		printCheck("FAIL", check.name, took, err.Error())
		exit = 1
		if i == 0 {
			return exit // nothing to check
		}
	}
	return exit
}

// printCheck prints the result of a check, with the text below its name.
func printCheck(result, name string, took time.Duration, text string) {
	fmt.Printf("%s  %-45s %5s\n%s\n", result, name, took, prose.Wrap(text, "      "))
}
