// Package live opens the live page of the real binary in a real browser, headless Chromium. The tests use the page as a
// person does: they press keys, and read what the page shows.
//
//	browser_test.go  starts the browser; without one the tests fail and explain how to install it
//	page_test.go     one page: what it shows, its keys, and its errors
//	story_test.go    load, the vendor fails, the breaker opens and closes; the page agrees with /metrics
//	trial_test.go    the chart's simulated vendor: two pods that steer it
//	pods_test.go     all pods as one, and a pod that stands still
//	reading_test.go  what is read, copied, heard or walked through by keyboard
//	docs_test.go     the API pages
//	look_test.go     keyboard, names for screen readers, widths, light and dark
//	shots_test.go    make shots: the pictures of the README
package live
