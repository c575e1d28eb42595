package jsonscan_test

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/spillway-dev/spillway/internal/jsonscan"
)

// samples are typical bodies.
func samples() map[string][]byte {
	const chat = `{"model":"m","stream":true,"max_tokens":100,"temperature":0.7,"messages":[` +
		`{"role":"system","content":"Be brief."},`
	part := func(text string) []byte {
		return []byte(chat + `{"role":"user","content":` + text + `}],"user":"u"}`)
	}
	text := strings.Repeat("The quick brown fox jumps over the lazy dog, again and again. ", 1<<20/62)
	image := base64.StdEncoding.EncodeToString([]byte(text)[:3<<18])
	escaped := strings.Repeat(`{"a":"b\n"}`, 2000)
	for range 3 { // text in text in text
		escaped = strconv.Quote(escaped)
	}
	return map[string][]byte{
		"1KB chat":          part(strconv.Quote(text[:900])),
		"1MB text":          part(strconv.Quote(text)),
		"1MB Japanese":      part(`"` + strings.Repeat("日本語のテキスト", 1<<20/24) + `"`),
		"1MB image":         part(`[{"type":"image_url","image_url":{"url":"data:image/png;base64,` + image + `"}}]`),
		"100KB escaped":     part(escaped),
		"1MB of small ones": []byte("[" + strings.Repeat(`{"id": 12, "ok": true, "name": "some"}, `, 1<<20/41) + "0]"),
		"16MB of [":         []byte(strings.Repeat("[", 16<<20)),
	}
}

func BenchmarkValid(b *testing.B) {
	visits := 0
	for _, judge := range []struct {
		name  string
		valid func([]byte) bool
	}{
		{"jsonscan", jsonscan.Valid},
		{"jsonscan-UTF8-visit", func(text []byte) bool {
			return jsonscan.Scanner{UTF8: true, Depth: 8, Visit: func(jsonscan.Member) { visits++ }}.Scan(text) == nil
		}},
		{"gjson", gjson.ValidBytes},
		{"encoding-json", json.Valid},
	} {
		for name, text := range samples() {
			if name == "16MB of [" && judge.name == "gjson" {
				continue // it ends the process
			}
			b.Run(judge.name+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					judge.valid(text)
				}
			})
		}
	}
}
