package prove

import "image/color"

// The colours have the same meaning in every picture.
var (
	grey   = color.RGBA{0x88, 0x88, 0x88, 0xff}
	black  = color.RGBA{0x22, 0x22, 0x22, 0xff}
	green  = color.RGBA{0x1b, 0x9e, 0x4b, 0xff}
	red    = color.RGBA{0xd6, 0x27, 0x28, 0xff}
	orange = color.RGBA{0xe6, 0x8a, 0x00, 0xff}
	blue   = color.RGBA{0x1f, 0x6f, 0xc4, 0xff}
	purple = color.RGBA{0x8e, 0x4b, 0xb8, 0xff}
	brown  = color.RGBA{0x8c, 0x56, 0x4b, 0xff}
	teal   = color.RGBA{0x17, 0xa2, 0xa2, 0xff}
)

// outcomeColors are the colours of the problem codes.
var outcomeColors = map[string]color.Color{
	"served": green, "failed": red, "vendor_error": red, "vendor_rate_limited": orange, "queue_timeout": brown,
	"shed": purple, "overloaded": black, "user_rate_limited": blue, "vendor_unavailable": teal,
}

// palette has the colours of lines without a meaning of their own.
var palette = []color.Color{blue, orange, green, purple, brown, teal, red, grey, black}

var classColors = map[string]color.Color{"high": green, "normal": blue, "low": orange}

var tierColors = map[string]color.Color{"enterprise": green, "pro": blue, "free": orange}
