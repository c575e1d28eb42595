package chart_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	common4 "helm.sh/helm/v4/pkg/chart/common"
	util4 "helm.sh/helm/v4/pkg/chart/common/util"
	chart4 "helm.sh/helm/v4/pkg/chart/v2"
	loader4 "helm.sh/helm/v4/pkg/chart/v2/loader"
	engine4 "helm.sh/helm/v4/pkg/engine"
	"helm.sh/helm/v4/pkg/strvals"
	yamlstream "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"
)

const (
	chartDir  = "../../helm/spillway"
	release   = "llm"
	namespace = "prod"
	kube      = "v1.35.0"
)

// object is one manifest as it would be sent to the API server.
type object map[string]any

func (o object) kind() string       { return o["kind"].(string) }
func (o object) apiVersion() string { return o["apiVersion"].(string) }
func (o object) name() string       { return o.at("metadata", "name").(string) }
func (o object) String() string     { return o.kind() + "/" + o.name() }

// at follows path through maps; a missing step gives nil.
func (o object) at(path ...string) any {
	var v any = map[string]any(o)
	for _, step := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[step]
	}
	return v
}

// rendered has the objects and the notes of one installation.
type rendered struct {
	objects []object
	files   map[string]string
	notes   string
}

func (r rendered) find(tb testing.TB, kind, name string) object {
	tb.Helper()
	for _, o := range r.objects {
		if o.kind() == kind && o.name() == name {
			return o
		}
	}
	tb.Fatalf("there is no %s %s", kind, name)
	return nil
}

// cluster answers the chart's lookups; both versions of Helm ask in the same way.
type cluster interface {
	GetClientFor(apiVersion, kind string) (dynamic.NamespaceableResourceInterface, bool, error)
}

// helms renders with each version of Helm that the chart is for.
var helms = map[string]func(values map[string]any, c cluster) (map[string]string, error){"helm4": render4,
	"helm3": render3}

func render4(values map[string]any, c cluster) (map[string]string, error) {
	return render4As(release, namespace, values, c)
}

func render4As(release, namespace string, values map[string]any, c cluster) (map[string]string, error) {
	chart, err := loader4.Load(chartDir)
	if err != nil {
		return nil, err
	}
	return renderChart(chart, release, namespace, values, c)
}

func renderChart(chart *chart4.Chart, release, namespace string, values map[string]any, c cluster) (map[string]string,
	error) {
	version, err := common4.ParseKubeVersion(kube)
	if err != nil {
		return nil, err
	}
	capabilities := common4.DefaultCapabilities.Copy()
	capabilities.KubeVersion = *version
	all, err := util4.ToRenderValues(chart, values,
		common4.ReleaseOptions{Name: release, Namespace: namespace, IsInstall: true, Revision: 1}, capabilities)
	if err != nil {
		return nil, err
	}
	if c == nil {
		return engine4.Render(chart, all)
	}
	return engine4.RenderWithClientProvider(chart, all, c)
}

func render3(values map[string]any, c cluster) (map[string]string, error) {
	chart, err := loader.Load(chartDir)
	if err != nil {
		return nil, err
	}
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.KubeVersion = chartutil.KubeVersion{Version: kube, Major: "1", Minor: "35"}
	all, err := chartutil.ToRenderValues(chart, values,
		chartutil.ReleaseOptions{Name: release, Namespace: namespace, IsInstall: true, Revision: 1}, capabilities)
	if err != nil {
		return nil, err
	}
	if c == nil {
		return engine.Render(chart, all)
	}
	return engine.RenderWithClientProvider(chart, all, c)
}

// parse turns the templates' output into objects, in the order of the files.
func parse(files map[string]string) (r rendered, err error) {
	r.files = files
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, "NOTES.txt") {
			r.notes = files[name]
			continue
		}
		objects, err := decode(files[name])
		if err != nil {
			return r, fmt.Errorf("%s: %w\n%s", name, err, files[name])
		}
		r.objects = append(r.objects, objects...)
	}
	return r, nil
}

// decode splits a stream of documents. A duplicate key is an error: the second one would silently replace the first.
func decode(text string) (objects []object, err error) {
	documents := yamlstream.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		var o object
		if err := yaml.UnmarshalStrict(document, &o); err != nil {
			return nil, err
		}
		if len(o) > 0 {
			objects = append(objects, o)
		}
	}
}

// mustRender renders with Helm 4, from the values of a scenario (or none) and settings as --set takes them.
func mustRender(tb testing.TB, scenario string, set ...string) rendered {
	tb.Helper()
	files, err := render4(values(tb, scenario, set...), nil)
	if err != nil {
		tb.Fatal(err)
	}
	r, err := parse(files)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// values reads ci/<scenario>-values.yaml and applies set.
func values(tb testing.TB, scenario string, set ...string) map[string]any {
	tb.Helper()
	all := map[string]any{}
	if scenario != "" {
		text, err := os.ReadFile(filepath.Join(chartDir, "ci", scenario+"-values.yaml"))
		if err != nil {
			tb.Fatal(err)
		}
		if err := yaml.UnmarshalStrict(text, &all); err != nil {
			tb.Fatal(err)
		}
	}
	for _, s := range set {
		if err := strvals.ParseInto(s, all); err != nil {
			tb.Fatal(err)
		}
	}
	return all
}

// scenarios lists ci/*-values.yaml.
func scenarios(tb testing.TB) (names []string) {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(chartDir, "ci", "*-values.yaml"))
	if err != nil || len(files) < 10 {
		tb.Fatalf("%d scenarios, %v", len(files), err)
	}
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), "-values.yaml"))
	}
	return names
}
