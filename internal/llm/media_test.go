package llm

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// figures are easy to recognise in a sum.
var figures = EstimateConfig{Image: 1_000_000, Audio: 1_000, File: 1}

func encoded(begin string, size int) string {
	return base64.StdEncoding.EncodeToString([]byte(begin + strings.Repeat("\x93", size-len(begin))))
}

// TestMediaIsNoText: 96 KiB in each of the shapes that vendors take cost what the figures say, not a quarter of their
// bytes.
func TestMediaIsNoText(t *testing.T) {
	t.Parallel()
	const size = 96 << 10 // divisible by 3, so that base64 has no padding
	png, wav := encoded("\x89PNG\x0D\x0A\x1A\x0A", size), encoded("RIFF\x24\x60\x00\x00WAVEfmt ", size)
	mp3, pdf := encoded("\xff\xfb\x90", size), encoded("%PDF-1.7", size)
	note := encoded("Dear all, "+strings.Repeat("x", 2000), size)
	const image, audio, file, none = 1_000_000, 96_000, 96, 0
	for part, want := range map[string]int{
		`{"image_url":{"url":"data:image/png;base64,` + png + `"}}`:                          image,
		`{"image_url":{"url":"https://example.org/a.png"}}`:                                  image,
		`{"image_url":"data:image/jpeg;base64,` + png + `"}`:                                 image,
		`{"image_url":"data:image\/jpeg;base64,` + strings.ReplaceAll(png, "/", `\/`) + `"}`: image,
		`{"source":{"media_type":"image/png","data":"` + png + `"}}`:                         image,
		`{"source":{"type":"url","url":"https://example.org/a.png"}}`:                        image,
		`{"content":[{"source":{"data":"` + png + `"}},{"source":{"data":"` + png + `"}}]}`:  2 * image,
		`{"inlineData":{"mimeType":"image/png","data":"` + png + `"}}`:                       image,
		`{"input_audio":{"data":"` + wav + `","format":"wav"}}`:                              audio,
		`{"input_audio":{"format":"mp3","data":"` + mp3 + `"}}`:                              audio,
		`{"audio_url":{"url":"data:audio/ogg;base64,` + mp3 + `"}}`:                          audio,
		`{"file":{"filename":"a","file_data":"data:application/pdf;base64,` + pdf + `"}}`:    file,
		`{"source":{"media_type":"application/pdf","data":"` + pdf + `"}}`:                   file,
		// The rest is text, to the vendor and to us.
		`{"text":"data:image/png;base64,` + png + `"}`:                                       none,
		`{"text":"` + png + `"}`:                                                             none,
		`{"type":"function","data":"` + png + `"}`:                                           none,
		`{"source":{"type":"text","data":"` + strings.Repeat("Dear all, ", 9000) + `"}}`:     none,
		`{"file":{"file_data":"data:text/plain;base64,` + note + `"}}`:                       none,
		`{"source":{"data":"` + note + `"}}`:                                                 none,
		`{"image_url":{"url":"data:image/svg+xml,%3Csvg` + strings.Repeat("a", size) + `"}}`: none,
	} {
		body := fmt.Sprintf(`{"model":"m","messages":[{"content":[{"text":"Look."},%s]}]}`, part)
		p, err := ParsePayload(nil, []byte(body), figures)
		if err != nil || p.MediaTokens != want {
			t.Errorf("%.120s: got %d, %v; want %d", part, p.MediaTokens, err, want)
		}
		if most := 150; want != none && p.PromptTokens > most || want == none && p.PromptTokens < size/5 {
			t.Errorf("%.120s: %d tokens of text in %d bytes", part, p.PromptTokens, len(body))
		}
	}
}

// TestMediaCostsNoCopy: what is looked at is the beginning of each part.
func TestMediaCostsNoCopy(t *testing.T) { //nolint:paralleltest // it counts the process's allocations
	body := []byte(`{"messages":[{"content":[{"image_url":{"url":"data:image/png;base64,` + strings.Repeat("A", 1<<20) +
		`"}}]}]}`)
	if n := testing.AllocsPerRun(10, func() { _, _ = ParsePayload(nil, body, figures) }); n > 4 {
		t.Errorf("%v allocations", n)
	}
}

func TestEstimateConfig(t *testing.T) {
	t.Parallel()
	for _, c := range []EstimateConfig{{Image: -1}, {Audio: -1}, {File: -1}} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "use ") {
			t.Errorf("%+v: got %v", c, err)
		}
	}
}
