"use strict";
// The helpers of the page: elements, and how figures are written.
const $ = id => document.getElementById(id);

// make returns an element with a class and text or children.
function make(tag, cls, ...children) {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  e.append(...children.map(c => (c instanceof Node ? c : String(c))));
  return e;
}

// write changes the text of an element that has another one. What does not change can be selected and is said once.
function write(e, text) {
  if (e.textContent != text) e.textContent = text;
}

const rate = n => n.toFixed(n >= 10 || n < 0.05 ? 0 : 1);
const percent = n => (100 * n).toFixed(0) + " %";
const seconds = n => (n == null ? "–" : n < 1 ? (1000 * n).toFixed(0) + " ms" : n.toFixed(1) + " s");
const count = n => n.toLocaleString("en");
const names = list =>
  list
    .filter(r => r.per_second > 0)
    .map(r => r.name + " " + rate(r.per_second) + "/s")
    .join(", ");
const size = bytes => (bytes < 1048576 ? (bytes / 1024).toFixed(0) + " KiB" : rate(bytes / 1048576) + " MiB");

// press marks the buttons of a group that are in force.
function press(buttons, is) {
  for (const button of buttons) button.setAttribute("aria-pressed", String(is(button)));
}
