// The lines of the last five minutes, drawn by uPlot.
const KEEP = 300; // points
let points = []; // one a second, the oldest first

const whole = n => (n == null || n % 1 ? "" : String(n)); // on an axis of whole things

// A chart has a title, how values are written, its lines (their field, name and colour), the least that its axis goes
// up to, and how values are written on the axis when that differs.
const charts = [
  {
    name: "Requests a second",
    format: rate,
    lines: [
      ["in", "in", "blue"],
      ["ok", "answered", "good"],
      ["refused", "refused", "warn"],
      ["failed", "failed", "bad"],
    ],
    least: 5,
  },
  {
    name: "Vendor latency",
    format: seconds,
    lines: [
      ["p50", "p50", "blue"],
      ["p95", "p95", "good"],
      ["p99", "p99", "warn"],
      ["first_event", "first event p95", "violet"],
    ],
    least: 0.2,
  },
  {
    name: "Breaker",
    format: n => ["closed", "half-open", "open"][n] || "",
    lines: [["breaker_level", "state", "bad"]],
    steps: true,
    least: 2,
  },
  {
    name: "Slots and queue",
    format: count,
    lines: [
      ["slots", "slots in use", "blue"],
      ["waiting", "queue", "warn"],
    ],
    least: 4,
    tick: whole,
  },
  {
    name: "Contract used",
    format: percent,
    lines: [
      ["quota_requests", "requests", "blue"],
      ["quota_tokens", "tokens", "violet"],
    ],
    least: 1,
  },
  {
    name: "Retries",
    format: rate,
    lines: [
      ["retries", "a second", "warn"],
      ["retry_budget", "budget", "good"],
    ],
    least: 5,
  },
].map(c => {
  const box = make("div", "chart"),
    said = make("p", "unseen");
  box.tabIndex = 0;
  box.setAttribute("role", "group");
  box.setAttribute("aria-roledescription", "chart");
  said.setAttribute("role", "status");
  $("charts").append(make("figure", "", make("figcaption", "", c.name), box, said));
  box.addEventListener("keydown", e => walk(c, e));
  box.addEventListener("blur", () => c.plot?.setCursor({ left: -10, top: -10 }));
  return Object.assign(c, { box, said });
});
const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3]]; // the lines of a chart differ without their colours, too
const unit = () => parseFloat(getComputedStyle(document.documentElement).fontSize) / 16; // 1 at the usual text size
const height = () => Math.round(118 * unit());
const clock = t => new Date(1000 * t).toLocaleTimeString("en-GB");

// build makes the chart anew, with the colours that are in force.
function build(c) {
  const style = getComputedStyle(document.documentElement),
    colour = name => style.getPropertyValue("--" + name).trim(),
    tick = c.tick || c.format;
  const axis = {
    stroke: colour("dim"),
    grid: { stroke: colour("line"), width: 1 },
    ticks: { show: false },
    font: 11 * unit() + "px system-ui, DejaVu Sans, sans-serif",
  };
  c.plot?.destroy();
  c.plot = new uPlot(
    {
      width: Math.max(120, c.box.clientWidth),
      height: height(),
      padding: [10, 18, 0, 0],
      cursor: {
        y: false,
        drag: { setScale: false },
        sync: { key: "live" },
        // Where there is no point there is no value.
        dataIdx: (u, line, n, at) => (n != null && Math.abs(u.data[0][n] - at) > 2 ? null : n),
      },
      legend: { markers: { dash: (u, n) => ["", "solid", "dashed", "dotted", "dashed"][n] } },
      hooks: { setCursor: [u => u.root.classList.toggle("pointed", u.cursor.left >= 0)] },
      scales: {
        x: {
          range: () => {
            const end = points.length ? Date.parse(points[points.length - 1].at) / 1000 : 0;
            return [end - KEEP, end];
          },
        },
        y: { range: (u, low, high) => [0, c.steps ? c.least : Math.max(high || 0, c.least) * 1.05] },
      },
      axes: [
        {
          ...axis,
          size: 22 * unit(),
          space: 70 * unit(),
          values: (u, at) => at.map(t => clock(t).slice(0, 5)),
          incrs: [60, 120],
        },
        {
          ...axis,
          size: (c.steps ? 66 : 52) * unit(),
          space: 26 * unit(),
          values: (u, at) => at.map(v => (c.steps && v % 1 ? "" : tick(v))),
        },
      ],
      series: [
        { label: "at", value: (u, t) => (t == null ? "" : clock(t)) },
        ...c.lines.map(([, label, name], n) => ({
          label,
          stroke: colour(name),
          width: 1.5 * unit(),
          dash: DASHES[n],
          points: { show: false },
          paths: c.steps && uPlot.paths.stepped({ align: 1 }),
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
  if (!c.plot.root.classList.contains("pointed"))
    requestAnimationFrame(() => c.plot.setLegend({ idx: points.length - 1 }, false)); // when uPlot has drawn
  if (document.activeElement != c.box) c.box.setAttribute("aria-label", summary(c)); // not while it is listened to
}

// summary says what the lines of a chart show: their values now, and between what they were.
function summary(c) {
  const lines = c.lines.map(([field, name]) => {
    const values = points.map(p => p[field]).filter(v => v != null);
    if (!values.length) return name + ": nothing yet";
    const last = points[points.length - 1][field],
      [low, high] = [Math.min(...values), Math.max(...values)].map(c.format);
    return (
      name + " " + (last == null ? "–" : c.format(last)) + (low == high ? "" : ", from " + low + " to " + high)
    );
  });
  return c.name + ": " + lines.join("; ") + ". The arrow keys read single moments.";
}

// walk moves the cursor of a chart by keys, and says the values there.
function walk(c, e) {
  const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -KEEP, End: KEEP }[e.key];
  if (!by || !points.length) return;
  e.preventDefault();
  const u = c.plot,
    from = u.cursor.left >= 0 && u.cursor.idx != null ? u.cursor.idx : points.length - 1,
    n = Math.min(points.length - 1, Math.max(0, from + by)),
    at = u.data[0][n];
  u.setCursor({ left: u.valToPos(at, "x"), top: 0 });
  write(
    c.said,
    clock(at) +
      ": " +
      c.lines
        .map(([field, name]) => name + " " + (points[n][field] == null ? "–" : c.format(points[n][field])))
        .join(", "),
  );
}

new ResizeObserver(() =>
  charts.forEach(c => c.plot?.setSize({ width: Math.max(120, c.box.clientWidth), height: height() })),
).observe($("charts"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  charts.forEach(build);
  charts.forEach(draw);
});
