// What the page shows beside the way: the state of the pod, its lanes, the other pods, and how requests ended.

function showFacts(s) {
  const three = l => [l.p50, l.p95, l.p99].map(seconds).join(", "),
    denied = names(s.retries.denied);
  const facts = [
    ["Breaker", breakerNow(s.breaker)],
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
  $("facts").replaceChildren(
    ...facts.map(([name, text]) => make("div", "", make("dt", "", name), make("dd", "", text))),
  );
}

// table fills the body of a table. The first cell of a row names it.
function table(id, list) {
  $(id).replaceChildren(...list.map(cells => make("tr", "", ...cells.map(c => make("td", "", c)))));
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
    (cluster ? "This page adds up all pods." : "This page shows one pod.") + " Rates are the mean of five seconds.",
  );
  write($("alone"), s.alone || "");
  $("pods-box").hidden = !cluster;
  table(
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

function showLanes(s) {
  $("lanes-box").hidden = !s.lanes.length;
  table(
    "lanes",
    s.lanes.map(l => [
      l.name,
      rate(l.vendor.per_second),
      names(l.vendor.results) || "–",
      seconds(l.vendor.latency.p50),
      seconds(l.vendor.latency.p95),
      seconds(l.vendor.first_event.p95),
      used(l.quota.requests),
      used(l.quota.tokens),
      l.quota.waiting,
      openNow(l.breaker, l.probe_in_seconds),
    ]),
  );
}

function showEnds(s) {
  table(
    "outcomes",
    s.requests.outcomes.map(o => [o.name, rate(o.per_second), count(o.total)]),
  );
  [...$("outcomes").children].forEach((row, n) => {
    row.dataset.outcome = s.requests.outcomes[n].name;
    row.dataset.total = s.requests.outcomes[n].total;
  });
  table(
    "refused",
    s.refused.map(r => [
      new Date(r.at).toLocaleTimeString("en-GB"),
      r.status,
      title(r.layer),
      r.reason,
      r.request_id,
    ]),
  );
}
