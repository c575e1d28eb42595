// What the page shows beside the way: the state of the pod, its lanes, the other pods, and how requests ended.

function showFacts(s) {
  const three = l => [l.p50, l.p95, l.p99].map(seconds).join(", "),
    denied = names(s.retries.denied);
  const facts = [
    ["Breaker", breakerNow(s.breaker), s.breaker.state == "closed" ? "" : "bad"],
    ["Slots", notes.slots(s)],
    ...[
      ["requests", s.quota.requests],
      ["tokens", s.quota.tokens],
    ].map(([what, use]) => [
      (all ? "Contract used, " : "Contract used by this pod, ") + what,
      use ? rate(use.per_second) + " of " + rate(use.of_per_second) + "/s: " + used(use) : "no limit",
    ]),
    ["Waiting for the contract", count(s.quota.waiting) + (s.quota.waiting == 1 ? " call" : " calls")],
    ["Vendor", rate(s.vendor.per_second) + " calls/s: " + (names(s.vendor.results) || "none")],
    ["Vendor latency, p50, p95, p99", three(s.vendor.latency)],
    ["First event of a stream, p50, p95, p99", three(s.vendor.first_event)],
    ["Retries", rate(s.retries.per_second) + "/s" + (denied ? ", not made for " + denied : "")],
    ["Retry budget", "enough for " + rate(s.retries.budget) + " retries"],
    [
      "Redis",
      (s.redis.shared ? "shared with all pods" : "away: " + (all ? "pods count alone" : "this pod is alone")) +
        (s.redis.full ? ", full" : ""),
      s.redis.shared && !s.redis.full ? "" : "bad",
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
    facts.push(["Memory: " + name, bytes ? size(m.value) : count(m.value)]);
  }
  const list = $("facts");
  while (list.children.length > facts.length) list.lastChild.remove();
  while (list.children.length < facts.length) list.append(make("div", "", make("dt"), make("dd")));
  facts.forEach(([name, text, cls], n) => {
    const [term, value] = list.children[n].children;
    write(term, name);
    write(value, text);
    value.className = cls || "";
  });
}

// table fills the body of a table with rows of cells. The first cell of a row names it, or all cells with whole. What
// stays is left alone, so that it can be selected and copied. A table that does not fit can be scrolled by keyboard.
function table(id, list, whole) {
  const body = $(id),
    had = new Map([...body.children].map(row => [row.name, row])),
    seen = new Map(); // how many rows have a name: two pods of one machine may have the same
  let next = body.firstChild;
  for (const cells of list) {
    const text = whole ? cells.join("\n") : String(cells[0]);
    seen.set(text, (seen.get(text) || 0) + 1);
    const name = text + "\n" + seen.get(text);
    let row = had.get(name);
    if (row && row == next) next = next.nextSibling;
    else {
      row ||= make("tr", "", ...cells.map((_, n) => make(n || whole ? "td" : "th")));
      row.name = name;
      if (!whole) row.firstChild.scope = "row";
      body.insertBefore(row, next);
    }
    cells.forEach((text, n) => write(row.children[n], String(text)));
  }
  while (next) {
    const gone = next;
    next = next.nextSibling;
    gone.remove();
  }
  if (!list.length) {
    body.append(make("tr", "dim", make("td", "", "none so far")));
    body.firstChild.firstChild.colSpan = 20;
  }
  const box = body.closest(".scroll");
  if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight) box.tabIndex = 0;
  else box.removeAttribute("tabindex");
}

// showPods shows whose figures these are.
function showPods(s) {
  $("switch").hidden = !s.shares;
  press($("switch").children, b => (b.dataset.pods == "all") == all);
  const cluster = s.pods != null;
  write($("scope"), cluster ? "all pods," : "pod");
  write($("pod"), cluster ? s.pods.length + (s.pods.length == 1 ? " pod" : " pods") : s.pod);
  write(
    $("about"),
    (cluster
      ? s.missing > 0
        ? "This page adds up " +
          s.pods.length +
          " of " +
          (s.pods.length + s.missing) +
          " pods: the others' figures " +
          "could not be read, or are too many."
        : "This page adds up all pods."
      : "This page shows one pod.") + " Rates are the mean of five seconds.",
  );
  write($("redis-state"), s.redis.shared ? (s.redis.full ? "Redis is full" : "") : "Redis is away");
  $("redis-state").className = "bad";
  write($("alone"), s.alone || "");
  $("pods-box").hidden = !cluster;
  table(
    "pods",
    (s.pods || []).map(p => [
      p.name + (p.name == s.pod ? " (this one)" : ""),
      p.state,
      rate(p.requests_per_second),
      p.inside,
      p.slots_used,
      p.waiting,
      p.redis_shared ? "shared" : "away",
    ]),
  );
}

function showLanes(s) {
  $("lanes-box").hidden = !s.lanes.length;
  table(
    "lanes",
    [...s.lanes]
      .sort((a, b) => (b.name == "default") - (a.name == "default"))
      .map(l => [
        l.name,
        l.breaker + probeNow(l.probe_in_seconds),
        rate(l.vendor.per_second),
        used(l.quota.requests),
        used(l.quota.tokens),
        l.quota.waiting,
        seconds(l.vendor.latency.p50),
        seconds(l.vendor.latency.p95),
        seconds(l.vendor.latency.p99),
        seconds(l.vendor.first_event.p95),
        names(l.vendor.results) || "–",
      ]),
  );
  for (const row of $("lanes").children) row.classList.toggle("open", !row.textContent.includes("closed"));
}

function showEnds(s) {
  table(
    "outcomes",
    s.requests.outcomes.map(o => [o.name, rate(o.per_second), count(o.total)]),
  );
  s.requests.outcomes.forEach((o, n) =>
    Object.assign($("outcomes").children[n].dataset, { outcome: o.name, total: o.total }),
  );
  if (held($("refused"))) return;
  table(
    "refused",
    s.refused.map(r => [
      new Date(r.at).toLocaleTimeString("en-GB"),
      r.status,
      title(r.layer),
      r.reason,
      r.request_id,
    ]),
    true,
  );
}

// held reports whether somebody reads a table, who points at it or has selected something in it: it stays as it is.
function held(body) {
  const selected = getSelection();
  return body.matches(":hover") || (!selected.isCollapsed && body.contains(selected.anchorNode));
}
