// Package live opens the live page of the real binary in a real browser, headless Chromium, and does there what a
// person would do: with the keyboard, and looking at what the page shows.
//
//	browser_test.go  starts the browser; a test that finds none fails and says how to get one
//	page_test.go     one page: what it shows, its keys, and what went wrong in it
//	story_test.go    load, the vendor fails, the breaker opens and closes; the page agrees with /metrics
//	look_test.go     keyboard, names for screen readers, widths, light and dark
//	shots_test.go    make shots: the pictures of the README
package live
