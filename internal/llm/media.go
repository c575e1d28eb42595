package llm

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"github.com/spillway-dev/spillway/internal/jsonscan"
)

// EstimateConfig says what is booked for the parts of a prompt that are not text. Their size in bytes says little:
// each vendor counts an image by its area and a recording by its length. For usual images and recordings the defaults
// are rather too high. The vendor's own count replaces the estimate when the answer has come.
type EstimateConfig struct {
	// Tokens booked for an image, whatever its size, until the vendor has counted.
	Image int `default:"1600" desc:"Tokens booked for an image, whatever its size, until the vendor has counted."`
	// Tokens booked for a kilobyte of audio: a second of speech has 4 as MP3, 32 as WAV.
	Audio int `default:"8" desc:"Tokens booked for a kilobyte of audio: a second of speech has 4 as MP3, 32 as WAV."`
	// Tokens booked for a kilobyte of any other file, a PDF or a video.
	File int `default:"64" desc:"Tokens booked for a kilobyte of any other file, a PDF or a video."`
}

// Validate reports figures that make no sense.
func (c EstimateConfig) Validate() error {
	if c.Image < 0 || c.Audio < 0 || c.File < 0 {
		return fmt.Errorf("ESTIMATE_IMAGE, ESTIMATE_AUDIO and ESTIMATE_FILE are %d, %d and %d: use 0 or more tokens",
			c.Image, c.Audio, c.File)
	}
	return nil
}

// media counts what a body holds beside text.
type media struct {
	encoded int // bytes of the body that are base64
	images  int
	audio   int // bytes, decoded
	files   int // bytes, decoded
}

// tokens is the estimate for all of it.
func (a *media) tokens(c EstimateConfig) int {
	return a.images*c.Image + (a.audio*c.Audio+1023)/1024 + (a.files*c.File+1023)/1024
}

// add counts m when it is an image, a recording or a file: a data URL, base64 in a member that takes media, or the
// address of an image. Any other member is text, base64 too, because vendors count it as text.
func (a *media) add(m jsonscan.Member) {
	if m.Value[0] != '"' || !carriesMedia(m) {
		return
	}
	value := m.Value[1 : len(m.Value)-1]
	head := plainBase64.Replace(string(value[:min(len(value), sniffed)]))
	rest, isData := strings.CutPrefix(head, "data:")
	kind, _, isBase64 := strings.Cut(rest, ";base64,")
	switch {
	case isData && isBase64:
		a.count(kind, string(m.Of), len(value)-len("data:")-len(kind)-len(";base64,"))
	case isData:
	case strings.HasPrefix(head, "http://"), strings.HasPrefix(head, "https://"):
		a.images++
	default:
		if kind := sniff(head); kind != "" {
			a.count(kind, string(m.Of), len(value))
		}
	}
}

// plainBase64 turns the forms that writers of JSON and of base64 use into one: escaped slashes, broken lines, the
// alphabet for URLs.
var plainBase64 = strings.NewReplacer(`\/`, `/`, `\n`, "", `\r`, "", "-", "+", "_", "/")

// sniffed is how many bytes of a value are looked at.
const sniffed = 512

// carriesMedia reports whether m's name is one under which vendors take media.
func carriesMedia(m jsonscan.Member) bool {
	switch string(m.Key) {
	case "image_url", "video_url", "audio_url", "file_data", "file_url", "b64_json":
		return true // directly in a part of the content
	case "url":
		of := string(m.Of)
		return of == "image_url" || of == "video_url" || of == "audio_url" || of == "source"
	case "data":
		of := string(m.Of)
		return of == "source" || of == "input_audio" || of == "inline_data" || of == "inlineData" || of == "audio"
	}
	return false
}

// sniff returns the media type of base64 that begins with head, or "" when head is not base64.
func sniff(head string) string {
	head = strings.TrimSuffix(head, `\`) // half of an escape
	head = head[:len(head)/4*4]
	first, err := base64.StdEncoding.DecodeString(head)
	if err != nil || len(first) == 0 {
		return ""
	}
	return http.DetectContentType(first)
}

// count adds n bytes of base64 of the media type kind, from a part of the prompt that is named of.
func (a *media) count(kind, of string, n int) {
	switch {
	case strings.HasPrefix(kind, "audio/"), of == "input_audio", of == "audio":
		a.audio += n / 4 * 3
	case strings.HasPrefix(kind, "text/"):
		return // to the vendor it is text
	case strings.HasPrefix(kind, "image/"):
		a.images++
	default:
		a.files += n / 4 * 3
	}
	a.encoded += n
}
