"use strict";
const $ = id => document.getElementById(id);
const KEEP = 300; // points of the lines
let points = [],
  lessons = [],
  source,
  all = false;

// make returns an element with a class and text or children.
function make(tag, cls, ...children) {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  e.append(...children.map(c => (c instanceof Node ? c : String(c))));
  return e;
}
const rate = n => (n >= 10 ? n.toFixed(0) : n.toFixed(1));
const percent = n => (100 * n).toFixed(0) + " %";
const seconds = n => (n == null ? "–" : n < 1 ? (1000 * n).toFixed(0) + " ms" : n.toFixed(1) + " s");
const count = n => n.toLocaleString("en");
const names = list =>
  list
    .filter(r => r.per_second > 0)
    .map(r => r.name + " " + rate(r.per_second) + "/s")
    .join(", ");
const title = name => ({ shed: "shedding", payload: "body" })[name] || name.replaceAll("_", " ");

// notes are what a layer shows beside what it refuses.
const notes = {
  breaker: s =>
    s.breaker.state +
    (s.breaker.probe_in_seconds > 0 ? ", probe in " + s.breaker.probe_in_seconds.toFixed(0) + " s" : ""),
  quota: s => percent(s.quota.requests_used_ratio) + " requests, " + percent(s.quota.tokens_used_ratio) + " tokens",
  slots: s => s.slots.used + " of " + s.slots.size + ", queue " + s.slots.waiting,
  vendor: s => "p50 " + seconds(s.vendor.latency.p50) + ", p95 " + seconds(s.vendor.latency.p95),
};

// breakerPast is what the breaker has done so far. A probe of a vendor that is down is over in a blink.
function breakerPast(b) {
  const probes = b.probes
    .filter(p => p.total > 0)
    .map(p => count(p.total) + " " + p.name)
    .join(", ");
  return "opened " + count(b.opened) + (b.opened == 1 ? " time" : " times") + (probes ? "; probes: " + probes : "");
}

// inAll is a count since the pod started.
function inAll(n, what) {
  const span = make("span", "dim", count(n) + " " + what + " in all");
  span.dataset.total = n;
  return span;
}

function showWay(s) {
  const first = make(
    "li",
    "edge",
    make("b", "", "requests in"),
    make("span", "", rate(s.requests.per_second) + "/s"),
    make("span", "dim", s.requests.inside + " inside"),
    inAll(s.requests.total, "ended"),
  );
  const boxes = s.layers.map(l => {
    const box = make(
      "li",
      l.refused.per_second > 0 || (l.name == "breaker" && s.breaker.state != "closed") ? "reacts" : "",
      make("b", "", title(l.name)),
      make("span", "", (l.name == "vendor" ? "answered " : "through ") + rate(l.passed_per_second) + "/s"),
    );
    if (notes[l.name]) box.append(make("span", "dim", notes[l.name](s)));
    if (l.name == "breaker" && s.breaker.opened > 0) box.append(make("span", "dim", breakerPast(s.breaker)));
    if (l.refused.per_second > 0)
      box.append(
        make(
          "span",
          "bad",
          (l.name == "vendor" ? "failed " : "refused ") + names(l.reasons).replaceAll("_", "_\u200b"),
        ),
      ); // may break here
    if (l.refused.total > 0) box.append(inAll(l.refused.total, l.name == "vendor" ? "failed" : "refused"));
    box.dataset.layer = l.name;
    return box;
  });
  $("way").replaceChildren(first, ...boxes);
}

function showFacts(s) {
  const three = l => [l.p50, l.p95, l.p99].map(seconds).join(", "),
    denied = names(s.retries.denied);
  const facts = [
    ["Breaker", notes.breaker(s)],
    ["Slots", s.slots.used + " of " + s.slots.size + " in use, " + s.slots.waiting + " in the queue"],
    ["Contract used", notes.quota(s) + ", " + s.quota.waiting + " waiting"],
    ["Vendor", rate(s.vendor.per_second) + " calls/s: " + (names(s.vendor.results) || "none")],
    ["Vendor latency, p50, p95, p99", three(s.vendor.latency)],
    ["First event of a stream, p50, p95, p99", three(s.vendor.first_event)],
    ["Retries", rate(s.retries.per_second) + "/s" + (denied ? ", not made for " + denied : "")],
    ["Retry budget", "enough for " + rate(s.retries.budget) + " retries"],
    [
      "Redis",
      (s.redis.shared ? "shared with all pods" : "away: " + (all ? "pods count alone" : "this pod is alone")) +
        (s.redis.full ? ", full" : ""),
    ],
  ];
  if (s.jobs)
    facts.push([
      "Jobs",
      s.jobs.running + " running, queued: " + s.jobs.queued.map(q => q.value + " " + q.name).join(", "),
    ]);
  for (const m of s.memory || []) {
    const bytes = m.name.endsWith("_bytes"),
      name = m.name.replace("llm_memory_", "").replace("_bytes", "").replaceAll("_", " ");
    facts.push(["Memory: " + name, bytes ? (m.value / 1048576).toFixed(1) + " MiB" : count(m.value)]);
  }
  $("facts").replaceChildren(
    ...facts.map(([name, text]) => make("div", "", make("dt", "", name), make("dd", "", text))),
  );
}

function rows(id, list) {
  $(id).replaceChildren(...list.map(cells => make("tr", "", ...cells.map(c => make("td", "", c)))));
}

// charts: a title, how values are written, and the lines: their field, name and colour.
const charts = [
  [
    "Requests a second",
    rate,
    [
      ["in", "in", "blue"],
      ["ok", "answered", "good"],
      ["refused", "refused", "warn"],
      ["failed", "failed", "bad"],
    ],
  ],
  [
    "Vendor latency",
    seconds,
    [
      ["p50", "p50", "blue"],
      ["p95", "p95", "good"],
      ["p99", "p99", "warn"],
      ["first_event", "first event p95", "violet"],
    ],
  ],
  ["Breaker", n => ["closed", "half-open", "open"][n] || "", [["breaker_level", "state", "bad"]], [0, 2]],
  [
    "Slots and queue",
    rate,
    [
      ["slots", "slots in use", "blue"],
      ["waiting", "queue", "warn"],
    ],
  ],
  [
    "Contract used",
    percent,
    [
      ["quota_requests", "requests", "blue"],
      ["quota_tokens", "tokens", "violet"],
    ],
  ],
  [
    "Retries",
    rate,
    [
      ["retries", "a second", "warn"],
      ["retry_budget", "budget", "good"],
    ],
  ],
].map(([name, format, lines, range]) => {
  const figure = make("figure", "", make("figcaption", "", name)),
    box = make("div", "");
  box.setAttribute("role", "img");
  figure.append(box);
  $("charts").append(figure);
  return { name, format, lines, range, box };
});
const HEIGHT = 118;

// build makes the chart anew, with the colours that are in force.
function build(c) {
  const style = getComputedStyle(document.documentElement),
    colour = name => style.getPropertyValue("--" + name).trim();
  const axis = {
    stroke: colour("dim"),
    grid: { stroke: colour("line"), width: 1 },
    ticks: { show: false },
    font: "11px system-ui, DejaVu Sans, sans-serif",
  };
  c.plot?.destroy();
  c.plot = new uPlot(
    {
      width: Math.max(120, c.box.clientWidth),
      height: HEIGHT,
      padding: [6, 8, 0, 0],
      cursor: { y: false, drag: { setScale: false }, sync: { key: "live" } },
      scales: {
        x: {
          range: () => {
            const end = points.length ? Date.parse(points[points.length - 1].at) / 1000 : 0;
            return [end - KEEP, end];
          },
        },
        y: { range: c.range ? () => c.range : (u, low, high) => [0, Math.max(high || 0, 1e-3) * 1.08] },
      },
      axes: [
        {
          ...axis,
          size: 22,
          space: 70,
          values: (u, at) =>
            at.map(t => new Date(1000 * t).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })),
          incrs: [60, 120],
        },
        {
          ...axis,
          size: c.range ? 66 : 52,
          space: 26,
          values: (u, at) => at.map(v => (c.range && v % 1 ? "" : c.format(v))),
        },
      ],
      series: [
        { value: (u, t) => (t == null ? "" : new Date(1000 * t).toLocaleTimeString("en-GB")) },
        ...c.lines.map(([, label, name]) => ({
          label,
          stroke: colour(name),
          width: 1.5,
          points: { show: false },
          paths: c.range && uPlot.paths.stepped({ align: 1 }),
          value: (u, v) => (v == null ? "–" : c.format(v)),
        })),
      ],
    },
    data(c),
    c.box,
  );
}

const data = c => [
  points.map(p => Date.parse(p.at) / 1000),
  ...c.lines.map(([field]) => points.map(p => p[field] ?? null)),
];

function draw(c) {
  if (!c.plot) build(c);
  c.plot.setData(data(c));
  if (c.plot.cursor.idx == null || c.plot.cursor.left < 0) c.plot.setLegend({ idx: points.length - 1 }, false);
  const last = points[points.length - 1] || {};
  c.box.setAttribute(
    "aria-label",
    c.name +
      ", now: " +
      c.lines.map(([field, text]) => text + " " + (last[field] == null ? "–" : c.format(last[field]))).join(", "),
  );
}
new ResizeObserver(() =>
  charts.forEach(c => c.plot?.setSize({ width: Math.max(120, c.box.clientWidth), height: HEIGHT })),
).observe($("charts"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  charts.forEach(build);
  charts.forEach(draw);
});

// reacting are the layers that do more than let requests through.
function reacting(s) {
  const now = new Set(s.layers.filter(l => l.refused.per_second > 0).map(l => l.name));
  if (s.breaker.state != "closed") now.add("breaker");
  if (s.quota.waiting > 0) now.add("quota");
  if (s.slots.waiting > 0) now.add("slots");
  if (s.retries.per_second > 0) now.add("retry");
  if (!s.redis.shared) now.add("redis");
  return now;
}

// press marks the buttons of a group that are in force.
function press(buttons, is) {
  for (const button of buttons) button.setAttribute("aria-pressed", String(is(button)));
}

// showStory adds the scenes that are new, so that a screen reader says each of them once.
let begun = "";
function showStory(s) {
  const { running, told } = s.dev.story,
    list = $("story");
  $("story-button").textContent = running ? "Stop" : "Show me";
  $("story-button").dataset.run = String(!running);
  if (!told.length || told[0].at != begun || told.length < list.children.length) list.replaceChildren();
  begun = told.length ? told[0].at : "";
  for (const scene of told.slice(list.children.length))
    list.append(make("li", "", make("b", "", scene.title + ". "), scene.says));
  [...list.children].forEach((li, n) => {
    if (running && n == told.length - 1) li.setAttribute("aria-current", "step");
    else li.removeAttribute("aria-current");
  });
  $("story-now").textContent = running
    ? "Now: breaker " + notes.breaker(s) + "; answered " + rate(s.point.ok) + "/s, refused " + rate(s.point.refused) +
      "/s, failed " + rate(s.point.failed) + "/s"
    : "";
}

let saidLessons = "";
function showDev(s) {
  $("dev").hidden = $("story-box").hidden = !s.dev;
  if (!s.dev) return;
  showStory(s);
  if (!$("faults").children.length) {
    for (const fault of ["", ...s.dev.faults]) {
      const button = make("button", "", fault || "well");
      button.type = "button";
      button.dataset.fault = fault;
      button.addEventListener("click", () => post("fault", { fault }));
      $("faults").append(button);
    }
  }
  press($("faults").children, b => b.dataset.fault != "" && b.dataset.fault == s.dev.fault);
  $("elsewhere").textContent = s.dev.fault == "other" ? "It fails as it was told elsewhere: its /faults says how." : "";
  $("tiers").textContent = "over the tiers " + s.dev.tiers.join(", ");
  press($("redis").querySelectorAll("button"), b => b.dataset.frozen == "true" && s.dev.redis_frozen);
  $("load-left").textContent = s.dev.load
    ? s.dev.load + "/s are sent, stops in " + s.dev.load_seconds.toFixed(0) + " s"
    : "no load";
  if (document.activeElement != $("load")) showLoad(s.dev.load);
  const now = reacting(s),
    active = lessons.filter(l => now.has(l.layer));
  const text = active.map(l => l.layer).join();
  if (text == saidLessons && $("lessons").children.length) return; // a screen reader says only what is new
  saidLessons = text;
  $("lessons").replaceChildren(
    ...active.map(l =>
      make("li", "", make("b", "", title(l.layer) + ": "), l.says + " ", make("code", "", l.file)),
    ),
  );
  if (!active.length) $("lessons").append(make("li", "dim", "Nothing: every layer lets requests through."));
}

function showLoad(n) {
  $("load").value = n;
  $("load-text").textContent = n;
}

// post presses a button. What is pressed meanwhile waits for its turn, so that the service hears all in order; of
// several values of the slider that wait, the last one counts.
let turn = Promise.resolve();
const waiting = {};
function post(what, body) {
  const queued = waiting[what];
  waiting[what] = body;
  if (!queued)
    turn = turn.then(() => {
      const last = waiting[what];
      delete waiting[what];
      return send(what, last);
    });
}

async function send(what, body) {
  $("trouble").textContent = "";
  try {
    const r = await fetch("/debug/live/" + what, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!r.ok) $("trouble").textContent = await r.text();
  } catch (e) {
    $("trouble").textContent = "The service cannot be reached.";
  }
}
$("load").addEventListener("input", e => {
  $("load-text").textContent = e.target.value;
});
$("load").addEventListener("change", e => post("load", { rate: Number(e.target.value) }));
$("story-button").addEventListener("click", e => post("story", { run: e.target.dataset.run != "false" }));
for (const b of $("redis").querySelectorAll("button"))
  b.addEventListener("click", () => post("redis", { frozen: b.dataset.frozen == "true" }));

// showPods shows whose figures these are.
function showPods(s) {
  $("switch").hidden = !s.shares;
  press($("switch").children, b => (b.dataset.pods == "all") == all);
  const cluster = s.pods != null;
  $("scope").textContent = cluster ? "all pods," : "pod";
  $("pod").textContent = cluster ? s.pods.length + (s.pods.length == 1 ? " pod" : " pods") : s.pod;
  $("about").textContent =
    (cluster ? "This page adds up all pods." : "This page shows one pod.") + " Rates are the mean of five seconds.";
  $("alone").textContent = s.alone || "";
  $("pods-box").hidden = !cluster;
  rows(
    "pods",
    (s.pods || []).map(p => [
      p.name,
      p.state,
      rate(p.requests_per_second),
      p.inside,
      p.slots_used,
      p.waiting,
      p.redis_shared ? "shared" : "away",
    ]),
  );
}
for (const b of $("switch").children)
  b.addEventListener("click", () => {
    if ((b.dataset.pods == "all") == all) return;
    all = b.dataset.pods == "all";
    start();
  });

function show(s) {
  $("state").textContent = s.state;
  $("state").className = s.state == "ready" ? "good" : "warn";
  showPods(s);
  showWay(s);
  showFacts(s);
  showDev(s);
  rows(
    "outcomes",
    s.requests.outcomes.map(o => [o.name, rate(o.per_second), count(o.total)]),
  );
  [...$("outcomes").children].forEach((row, n) => {
    row.dataset.outcome = s.requests.outcomes[n].name;
    row.dataset.total = s.requests.outcomes[n].total;
  });
  $("lanes-box").hidden = !s.lanes.length;
  rows(
    "lanes",
    s.lanes.map(l => [
      l.name,
      rate(l.vendor.per_second),
      names(l.vendor.results) || "–",
      seconds(l.vendor.latency.p50),
      seconds(l.vendor.latency.p95),
      seconds(l.vendor.first_event.p95),
      percent(l.quota.requests_used_ratio),
      percent(l.quota.tokens_used_ratio),
      l.quota.waiting,
      l.breaker,
    ]),
  );
  rows(
    "refused",
    s.refused.map(r => [
      new Date(r.at).toLocaleTimeString("en-GB"),
      r.status,
      title(r.layer),
      r.reason,
      r.request_id,
    ]),
  );
  charts.forEach(draw);
}

// level makes a point of the lines ready to be drawn.
const level = p => ({ ...p, breaker_level: ["closed", "half-open", "open"].indexOf(p.breaker) });

// What is late. A browser or a pod that is busy, or was asleep, may miss seconds.
const LATE = 5000; // ms without an event after which the page says so
const GONE = 20000; // and after which it connects anew
const GAP = 2500; // ms between two points after which what is between them is asked for
let lastEvent = Date.now(),
  filling = false;

// fill asks for the points that were missed.
async function fill(query) {
  if (filling) return;
  filling = true;
  try {
    const d = await (await fetch("/debug/live" + query)).json();
    if (query == (all ? "?pods=all" : "")) points = d.history.map(level);
  } catch (e) {
    // the next event, or its absence, says the same
  }
  setTimeout(() => (filling = false), 10000); // a pod that is slow itself leaves gaps, too
}

setInterval(() => {
  const silent = Date.now() - lastEvent;
  if (silent < LATE) return;
  tell("no events for " + (silent / 1000).toFixed(0) + " s", "bad");
  if (silent >= GONE) start();
}, 1000);

function tell(text, cls) {
  $("link").textContent = text;
  $("link").className = cls;
}

// start loads the history and then listens. After a break it begins again, so that the lines have no gap. One link is
// in use at a time: what comes of an earlier one is left alone.
let link;
async function start() {
  link?.abort();
  source?.close();
  const mine = (link = new AbortController()),
    query = all ? "?pods=all" : "";
  const again = text => {
    if (mine != link) return;
    lastEvent = Date.now();
    tell(text, "bad");
    setTimeout(() => {
      if (mine == link) start();
    }, 2000);
  };
  lastEvent = Date.now();
  tell("connecting", "dim");
  try {
    const d = await (await fetch("/debug/live" + query, { signal: mine.signal })).json();
    if (mine != link) return;
    points = d.history.map(level);
    lessons = d.lessons || [];
    show(d);
  } catch (e) {
    return again("the pod cannot be reached, trying again");
  }
  source = new EventSource("/debug/live/events" + query);
  source.onmessage = e => {
    if (mine != link) return;
    const s = JSON.parse(e.data),
      last = points[points.length - 1]?.at;
    lastEvent = Date.now();
    tell("live", "good");
    if (last != s.point.at) points = [...points, level(s.point)].slice(-KEEP);
    if (last && Date.parse(s.point.at) - Date.parse(last) > GAP) fill(query);
    show(s);
  };
  source.onerror = () => {
    if (mine != link) return;
    source.close();
    again("no events, trying again");
  };
}
start();
