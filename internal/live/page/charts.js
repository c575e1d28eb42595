// The lines of the last five minutes, drawn by uPlot.
const KEEP = 300; // points
let points = []; // one a second, the oldest first

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
const unit = () => parseFloat(getComputedStyle(document.documentElement).fontSize) / 16; // 1 at the usual text size
const height = () => Math.round(118 * unit());

// build makes the chart anew, with the colours that are in force.
function build(c) {
  const style = getComputedStyle(document.documentElement),
    colour = name => style.getPropertyValue("--" + name).trim();
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
          size: 22 * unit(),
          space: 70,
          values: (u, at) =>
            at.map(t => new Date(1000 * t).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })),
          incrs: [60, 120],
        },
        {
          ...axis,
          size: (c.range ? 66 : 52) * unit(),
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
  charts.forEach(c => c.plot?.setSize({ width: Math.max(120, c.box.clientWidth), height: height() })),
).observe($("charts"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  charts.forEach(build);
  charts.forEach(draw);
});

