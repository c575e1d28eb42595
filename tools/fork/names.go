package main

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// names are the forms of the new service's name.
type names struct {
	module string // github.com/me/my-svc
	name   string // my-svc: binary, chart, image, objects in a cluster, service in traces
	image  string // ghcr.io/me/my-svc
	snake  string // my_svc: metrics, and wherever a hyphen cannot stand
	camel  string // MySvc: alerts and prose
}

var (
	label = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,30}[a-z0-9])$`)
	host  = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+$`)
	step  = regexp.MustCompile(`^[A-Za-z0-9_~-]([A-Za-z0-9._~-]*[A-Za-z0-9_~-])?$`)
	place = regexp.MustCompile(`^[a-z0-9.:-]+(/[a-z0-9._-]+)+$`)
)

// taken are names with another meaning: the release in every example, the simulator, and directories that Go treats
// specially.
var taken = []string{"internal", "llm", "testdata", "vendor", "vendorsim"}

// newNames refuses names that Go, Kubernetes or Prometheus would refuse later, with advice. An empty image means the
// one on ghcr.io for the module.
func newNames(module, name, image string) (names, error) {
	if module == "" || name == "" {
		return names{}, errors.New("say both names: make fork MODULE=github.com/me/mysvc NAME=mysvc")
	}
	parts := strings.Split(module, "/")
	switch bad := slices.IndexFunc(parts[1:], func(s string) bool { return !step.MatchString(s) }); {
	case strings.Contains(module, "://"), strings.HasSuffix(module, ".git"):
		return names{}, fmt.Errorf("MODULE=%s is a URL: say the module path alone, such as github.com/me/mysvc", module)
	case !host.MatchString(parts[0]), len(parts) < 2:
		return names{}, fmt.Errorf("MODULE=%s does not start with a host name and a slash: say where the code will "+
			"be, such as github.com/me/mysvc", module)
	case bad >= 0:
		return names{}, fmt.Errorf("MODULE=%s has %q in it: between slashes stand letters, digits, - _ . ~, and no "+
			"dot first or last", module, parts[1+bad])
	case !label.MatchString(name):
		return names{}, fmt.Errorf("NAME=%s cannot be the name of a Kubernetes Service: choose 2 to 32 lower-case "+
			"letters, digits and hyphens, a letter first, no hyphen last", name)
	case slices.Contains(taken, name):
		return names{}, fmt.Errorf("NAME=%s means something else in this repository: choose another, such as my-%s",
			name, name)
	}
	if image == "" && parts[0] == "github.com" && len(parts) > 2 {
		image = "ghcr.io/" + strings.ToLower(parts[1]) + "/" + name
	}
	if !place.MatchString(image) {
		return names{}, fmt.Errorf("IMAGE=%s: say where the image will be pushed, without a tag: "+
			"IMAGE=registry.example.com/me/%s", cmp.Or(image, " is missing"), name)
	}
	n := names{module: module, name: name, image: image, snake: strings.ReplaceAll(name, "-", "_")}
	for word := range strings.SplitSeq(name, "-") {
		if word != "" {
			n.camel += strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return n, nil
}
