// The way of a request: a row for each step, and beside the rows the stream of requests, which grows narrower where
// they are turned away.
const rows = new Map(); // by the names of the steps
let built = ""; // the steps that have rows

const title = name => rows.get(name)?.title || name.replaceAll("_", " ");

// buildWay makes a row for each step, under the name of its part.
function buildWay(way) {
  if (JSON.stringify(way) == built) return;
  built = JSON.stringify(way);
  rows.clear();
  $("way").replaceChildren();
  addRow({ name: "", title: "requests in", part: "" });
  way.forEach(addRow);
}

// addRow makes the row of a step at the end of its part.
function addRow(step) {
  let list = $("way").querySelector(`ol[data-part="${step.part}"]`);
  if (!list) {
    list = make("ol");
    list.dataset.part = step.part;
    list.flow = make("i", "pass"); // of the requests that come so far
    const head = make("div", "part", make("h3", "", step.part), make("span", "flow", list.flow));
    head.dataset.part = step.part;
    if (step.part) $("way").append(head);
    $("way").append(list);
  }
  const row = {
    title: step.title,
    says: step.says || "",
    through: make("span", "through"),
    pass: make("i", "pass"),
    turned: make("i", "turned"),
    note: make("span", "note", make("span", "says", step.says || "")),
  };
  const name = make("span", "name", make("b", "", step.title));
  if (step.part) name.prepend(make("i", "dot"));
  if (step.shared) name.append(make("span", "unseen", " (shared by all pods)"));
  const flow = make("span", "flow", row.pass, row.turned);
  flow.setAttribute("aria-hidden", "true");
  row.li = make("li", step.shared ? "shared" : "", name, flow, row.through, row.note);
  row.li.style.setProperty("--depth", step.depth || 0);
  if (step.name) row.li.dataset.layer = step.name;
  else row.li.className = "edge";
  if (step.says) name.title = step.says;
  rows.set(step.name, row);
  list.append(row.li);
  return row;
}

// notes are what a step shows beside what it refuses; without a note it says what it is for.
const notes = {
  shed: s => s.pressure >= 0.1 && "pressure " + percent(s.pressure),
  payload: s => {
    const of = name => (s.memory || []).find(m => m.name == "llm_memory_" + name + "_bytes")?.value;
    return of("used") > 0 && size(of("used")) + " of " + size(of("budget")) + " of memory in use";
  },
  lanes: s =>
    s.lanes.length > 1 &&
    s.lanes.length +
      " lanes" +
      (s.failovers.per_second > 0 ? ", to another " + rate(s.failovers.per_second) + "/s" : ""),
  retry: s =>
    s.retries.per_second > 0 &&
    rate(s.retries.per_second) + "/s, budget left for " + rate(s.retries.budget) + " more",
  queue_timeout: s => {
    const n = s.quota.waiting + s.slots.waiting;
    return n > 0 && count(n) + (n == 1 ? " call waits" : " calls wait");
  },
  breaker: s =>
    probeNow(s.breaker.probe_in_seconds) +
    (s.breaker.state == "half-open" && s.requests.per_second == 0 ? ", the next requests are its probes" : "") +
    (s.breaker.opened > 0 ? "; " + breakerPast(s.breaker) : ""),
  quota: s => quotaNow(s.quota) + (s.quota.waiting > 0 ? ", " + count(s.quota.waiting) + " wait" : ""),
  slots: s =>
    count(s.slots.used) + " of " + count(s.slots.size) + " in use, " + count(s.slots.waiting) + " in the queue",
  call_timeout: s => names(s.vendor.results.filter(r => r.name.includes("timeout"))),
  vendor: s =>
    s.vendor.latency.p50 != null &&
    "p50 " + seconds(s.vendor.latency.p50) + ", p95 " + seconds(s.vendor.latency.p95),
};

// used is how much of a limit of the contract is used.
const used = u => (u ? percent(u.per_second / u.of_per_second) : "no limit");
const quotaNow = q =>
  q.requests || q.tokens
    ? "of the contract: requests " + used(q.requests) + ", tokens " + used(q.tokens)
    : "no contract";
const probeNow = probe => (probe > 0 ? ", probe in " + Math.ceil(probe) + " s" : "");
const breakerNow = b => b.state + probeNow(b.probe_in_seconds);

// breakerPast is what the breaker has done so far. A probe of a vendor that is down is over in a blink.
function breakerPast(b) {
  const probes = b.probes
    .filter(p => p.total > 0)
    .map(p => count(p.total) + " " + p.name)
    .join(", ");
  return (
    "went open " + count(b.opened) + (b.opened == 1 ? " time" : " times") + (probes ? ", probes: " + probes : "")
  );
}

// reacting are the steps that do more than let requests through.
function reacting(s) {
  const now = new Set(s.layers.filter(l => l.refused.per_second > 0).map(l => l.name));
  if (s.breaker.state != "closed") now.add("breaker");
  if (s.quota.waiting > 0) now.add("quota");
  if (s.slots.waiting > 0) now.add("slots");
  if (s.retries.per_second > 0) now.add("retry");
  if (s.failovers.per_second > 0) now.add("lanes");
  if (!s.redis.shared) now.add("redis");
  return now;
}

// inAll is a count since the pod started.
function inAll(n, what) {
  const span = make("span", "dim", count(n) + " " + what + " in all");
  span.dataset.total = n;
  return span;
}

// widest is what a full bar stands for: the most requests of the last ten seconds.
const widest = s => Math.max(1, s.requests.per_second, ...points.slice(-10).map(p => p.in));

function showWay(s) {
  const most = widest(s),
    react = reacting(s),
    width = n => (100 * Math.min(1, n / most)).toFixed(1) + "%";
  write($("scale"), rate(most) + "/s");
  const show = (row, through, turned, note) => {
    row.pass.style.width = width(through);
    row.turned.style.width = width(turned);
    write(row.through, rate(through) + "/s");
    const text = note.map(n => n.textContent).join("\n");
    if (text == row.text) return; // what does not change can be selected
    row.text = text;
    row.note.replaceChildren(...note);
  };
  show(rows.get(""), s.requests.per_second, 0, [
    make("span", "dim", count(s.requests.inside) + " inside"),
    inAll(s.requests.total, "ended"),
  ]);
  let before = s.requests.per_second;
  for (const l of s.layers) {
    const row = rows.get(l.name) || addRow({ name: l.name, title: title(l.name), part: "besides" }),
      verb = l.name == "vendor" || l.name == "service" ? "failed" : l.name == "client" ? "left" : "refused",
      note = [];
    if (l.refused.per_second > 0)
      note.push(make("span", "bad", verb + " " + names(l.reasons).replaceAll("_", "_\u200b"))); // may break here
    const says = notes[l.name]?.(s);
    if (l.name == "breaker")
      note.push(make("span", "dim", make("b", "pill " + s.breaker.state, s.breaker.state), says));
    else if (says) note.push(make("span", "dim", says));
    if (!note.length) note.push(make("span", "says", row.says));
    if (l.refused.total > 0) note.push(inAll(l.refused.total, verb));
    row.li.classList.toggle("reacts", react.has(l.name));
    show(row, l.passed_per_second, l.refused.per_second, note);
    if (row.li == row.li.parentNode.firstChild) row.li.parentNode.flow.style.width = width(before);
    before = l.passed_per_second;
  }
}
