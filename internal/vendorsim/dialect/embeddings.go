package dialect

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strconv"
)

const (
	usualDimensions = 1536
	mostDimensions  = 4096
)

// wholeEmbeddings appends one vector for each input. The same input has the same vector, of length 1.
func wholeEmbeddings(b []byte, a *Answer) []byte {
	b = append(b, `{"object":"list","data":[`...)
	for i, input := range a.Inputs {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendInt(append(b, `{"object":"embedding","index":`...), i)
		b = append(b, `,"embedding":`...)
		v := vector(input, a.dimensions())
		if a.Base64 {
			b = append(append(append(b, '"'), encoded(v)...), '"')
		} else {
			b = appendFloats(b, v)
		}
		b = append(b, '}')
	}
	b = append(a.appendModel(append(b, `],"model":`...)), `,"usage":{"prompt_tokens":`...)
	b = append(appendInt(b, a.Usage.Prompt), `,"total_tokens":`...)
	return append(appendInt(b, a.Usage.Prompt), "}}\n"...)
}

func (a *Answer) dimensions() int {
	if a.Dimensions <= 0 {
		return usualDimensions
	}
	return min(a.Dimensions, mostDimensions)
}

// vector makes up a vector.
func vector(input string, dimensions int) []float32 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(input))
	random, sum := rand.New(rand.NewPCG(h.Sum64(), 1)), 0.0
	v := make([]float32, dimensions)
	for i := range v {
		x := random.NormFloat64()
		v[i], sum = float32(x), sum+x*x
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(sum))
	}
	return v
}

// encoded is a vector as little-endian 32-bit floats in base64.
func encoded(v []float32) string {
	raw := make([]byte, 0, 4*len(v))
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(raw)
}

func appendFloats(b []byte, v []float32) []byte {
	b = append(b, '[')
	for i, x := range v {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendFloat(b, float64(x), 'g', -1, 32)
	}
	return append(b, ']')
}
