package chart_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/errors"
	v1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// TestKeysAreMadeOnceAndKept installs, upgrades, adds a user and removes one.
func TestKeysAreMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	for helm, render := range helms {
		t.Run(helm, func(t *testing.T) {
			t.Parallel()
			secret := func(c cluster, set ...string) object {
				files, err := render(values(t, "simulated", set...), c)
				if err != nil {
					t.Fatal(err)
				}
				r, err := parse(files)
				if err != nil {
					t.Fatal(err)
				}
				return r.find(t, "Secret", "llm-spillway-api-keys")
			}
			installed := secret(nil)
			first := readKeys(t, installed, map[string]string{"demo-free": "free",
				"demo-pro": "pro", "demo-enterprise": "enterprise"})
			if again := readKeys(t, secret(nil), map[string]string{"demo-free": "free",
				"demo-pro": "pro", "demo-enterprise": "enterprise"}); again["demo-pro"] == first["demo-pro"] {
				t.Error("two installations have the same key")
			}
			upgraded := readKeys(t, secret(holding{installed}, "apiKeys.generate.alice=pro",
				"apiKeys.generate.demo-pro=enterprise", "apiKeys.generate.demo-enterprise=enterprise"),
				map[string]string{"alice": "pro", "demo-pro": "enterprise", "demo-enterprise": "enterprise"})
			if upgraded["demo-pro"] != first["demo-pro"] || upgraded["demo-enterprise"] != first["demo-enterprise"] {
				t.Error("an upgrade made new keys")
			}
			if installed.at("metadata", "annotations", "helm.sh/resource-policy") != "keep" {
				t.Error("the keys go with the release")
			}
		})
	}
}

// readKeys fails the test unless the Secret has exactly one key, with its hash and tier, for each user.
func readKeys(tb testing.TB, secret object, tiers map[string]string) map[string]string {
	tb.Helper()
	plain := map[string]string{}
	for name, value := range secret.at("data").(map[string]any) {
		text, err := base64.StdEncoding.DecodeString(value.(string))
		if err != nil {
			tb.Fatal(err)
		}
		plain[name] = string(text)
	}
	lines := strings.Split(strings.TrimSpace(plain["keys"]), "\n")
	delete(plain, "keys")
	if len(plain) != len(tiers) || len(lines) != len(tiers) {
		tb.Errorf("%d keys and %d lines for %d users", len(plain), len(lines), len(tiers))
	}
	for user, key := range plain {
		if line := fmt.Sprintf("%x %s %s", sha256.Sum256([]byte(key)), user, tiers[user]); len(key) < 40 ||
			!strings.Contains(strings.Join(lines, "\n"), line) {
			tb.Errorf("no line %q", line)
		}
	}
	return plain
}

// TestVendorKeysAreFiles: the keys of vendors are files, not variables, which a process reads only once. Each lane with
// a Secret has a file from that Secret.
func TestVendorKeysAreFiles(t *testing.T) {
	t.Parallel()
	r := mustRender(t, "lanes", "lanes.mini.vendor.apiKey=sk-mini")
	for _, e := range serverContainer(t, r)["env"].([]any) {
		// Redis reads its password only once too.
		if variable := object(e.(map[string]any)); variable["valueFrom"] != nil &&
			variable["name"] != "REDIS_PASSWORD" {
			t.Errorf("%v is read once", variable["name"])
		}
	}
	data := settings(t, r)
	sources := map[string]string{}
	for _, v := range r.find(t, "Deployment", "llm-spillway").at("spec", "template", "spec", "volumes").([]any) {
		volume := object(v.(map[string]any))
		if volume["name"] != "vendor" {
			continue
		}
		for _, s := range volume.at("projected", "sources").([]any) {
			secret := object(s.(map[string]any)["secret"].(map[string]any))
			item := secret["items"].([]any)[0].(map[string]any)
			path, key := item["path"].(string), item["key"].(string)
			sources["/etc/spillway/vendor/"+path] = secret["name"].(string) + " " + key
		}
	}
	for setting, want := range map[string]string{
		"LLM_VENDOR_API_KEY_FILE":             "openai api-key",
		"LLM_LANE_CLAUDE_VENDOR_API_KEY_FILE": "claude api-key",
		"LLM_LANE_MINI_VENDOR_API_KEY_FILE":   "llm-spillway-vendor-mini api-key",
	} {
		if file, _ := data[setting].(string); sources[file] != want {
			t.Errorf("%s is %q, which comes from %q, want %q", setting, file, sources[file], want)
		}
	}
	if simulated := mustRender(t, "simulated"); settings(t, simulated)["LLM_VENDOR_API_KEY_FILE"] != "" {
		t.Error("a file without a Secret")
	}
}

// holding is a cluster with some objects in it.
type holding []object

func (h holding) GetClientFor(_, kind string) (dynamic.NamespaceableResourceInterface, bool, error) {
	return resource{h: h, kind: kind}, true, nil
}

// resource answers Get and List; the chart asks for nothing else, and anything else panics.
type resource struct {
	dynamic.NamespaceableResourceInterface
	h               holding
	kind, namespace string
}

func (r resource) Namespace(name string) dynamic.ResourceInterface {
	r.namespace = name
	return r
}

func (r resource) Get(_ context.Context, name string, _ v1.GetOptions, _ ...string) (*unstructured.Unstructured,
	error) {
	for _, o := range r.h {
		if r.namespace == namespace && r.kind == o.kind() && name == o.name() {
			return &unstructured.Unstructured{Object: plain(o).(map[string]any)}, nil
		}
	}
	return nil, errors.NewNotFound(schema.GroupResource{Resource: r.kind}, name)
}

func (r resource) List(context.Context, v1.ListOptions) (*unstructured.UnstructuredList, error) {
	list := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "v1", "kind": r.kind + "List"}}
	for _, o := range r.h {
		if r.namespace == namespace && r.kind == o.kind() {
			list.Items = append(list.Items, unstructured.Unstructured{Object: plain(o).(map[string]any)})
		}
	}
	return list, nil
}
