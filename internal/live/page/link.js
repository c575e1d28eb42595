// The link to the pod: its history once, and then a snapshot a second.
const ALL = "#all-pods"; // in the address of a page that shows all pods
let source,
  all = location.hash == ALL; // pods, or this one

for (const b of $("switch").children)
  b.addEventListener("click", () => {
    if ((b.dataset.pods == "all") == all) return;
    all = b.dataset.pods == "all";
    history.replaceState(null, "", all ? ALL : location.pathname);
    start();
  });

function show(s) {
  write($("state"), s.state);
  $("state").className = s.state == "ready" ? "good" : "warn";
  showPods(s);
  showWay(s);
  showFacts(s);
  showDev(s);
  showLanes(s);
  showEnds(s);
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
  tell("no events", "bad");
  write($("silent"), "for " + (silent / 1000).toFixed(0) + " s");
  if (silent >= GONE) start();
}, 1000);

// tell says how the link is. While there is none, what the page shows is of the past.
function tell(text, cls) {
  write($("link"), text);
  $("link").className = cls;
  write($("silent"), "");
  document.body.classList.toggle("past", cls == "bad");
  if (cls != "bad") return;
  write($("state"), "not known");
  $("state").className = "warn";
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
  let d;
  try {
    d = await (await fetch("/debug/live" + query, { signal: mine.signal })).json();
  } catch (e) {
    return again("no connection, trying again");
  }
  if (mine != link) return;
  points = d.history.map(level);
  lessons = d.lessons || [];
  buildWay(d.way);
  show(d);
  write($("trouble"), "");
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
    again("no connection, trying again");
  };
}
start();
