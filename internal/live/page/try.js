// The playground: the story of the breaker, faults, load, and what reacts.
let lessons = []; // what each layer does when it reacts, and where to read how

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
  const ends = [
    ["answered", s.point.ok],
    ["refused", s.point.refused],
    ["failed", s.point.failed],
  ].map(([how, n]) => how + " " + rate(n) + "/s");
  write($("story-now"), running ? "Now: breaker " + breakerNow(s.breaker) + "; " + ends.join(", ") : "");
}

function showDev(s) {
  $("play").hidden = !s.dev;
  if (!s.dev) return;
  showStory(s);
  if (!$("faults").children.length) {
    for (const fault of [well, ...s.dev.faults]) {
      const button = make("button", "", fault.name || "well");
      button.type = "button";
      button.title = fault.says;
      button.dataset.fault = fault.name;
      button.addEventListener("click", () => post("fault", { fault: fault.name }));
      $("faults").append(button);
    }
  }
  press($("faults").children, b => b.dataset.fault == s.dev.fault);
  write($("fault-says"), ([well, other, ...s.dev.faults].find(f => f.name == s.dev.fault) || other).says);
  press($("redis").querySelectorAll("button"), b => (b.dataset.frozen == "true") == s.dev.redis_frozen);
  $("try").hidden = !s.dev.try;
  write($("try-line"), s.dev.try);
  showLoad(s.dev);
  showLessons(s);
}

const well = { name: "", says: "The vendor answers as it should." },
  other = { name: "other", says: "The vendor fails as it was told elsewhere: its /faults says how." };

// showLessons adds what began to react and removes what has stopped: a screen reader says only what is new.
function showLessons(s) {
  const list = $("lessons"),
    now = reacting(s),
    active = lessons.filter(l => now.has(l.layer));
  for (const li of [...list.querySelectorAll("[data-step]")])
    if (!active.some(l => l.layer == li.dataset.step)) li.remove();
  active.forEach((l, n) => {
    if (list.children[n]?.dataset.step == l.layer) return;
    const li = make("li", "", make("b", "", title(l.layer) + ": "), l.says + " ", make("code", "", l.file));
    li.dataset.step = l.layer;
    list.insertBefore(li, list.children[n] || null);
  });
  const idle = !s.dev.load && (s.dev.fault || s.dev.redis_frozen);
  $("no-lesson").hidden = active.length > 0;
  write(
    $("no-lesson"),
    idle ? "Nothing, because no requests come: move the load." : "Nothing: every layer lets requests through.",
  );
}

// showLoad shows the load that there is. The slider follows it, but not while somebody moves it.
let lastLoad,
  touched = 0; // when the slider was moved last
function showLoad({ load, load_seconds, tiers }) {
  write($("tiers"), "over the tiers " + tiers.join(", "));
  write($("load-left"), load ? load + "/s are sent, stops in " + load_seconds.toFixed(0) + " s" : "no load");
  const free = document.activeElement != $("load") || (load != lastLoad && Date.now() - touched > 3000);
  if (free && pending == 0) setLoad(load);
  lastLoad = load;
}

function setLoad(n) {
  $("load").value = n;
  write($("load-text"), n + "/s");
  $("load").setAttribute("aria-valuetext", n + " requests a second");
}

// post presses a button. What is pressed meanwhile waits for its turn, so that the service hears all in order; of
// several values of the slider that wait, the last one counts.
let turn = Promise.resolve(),
  pending = 0; // buttons that the service has not heard of yet
const waiting = {};
function post(what, body) {
  const queued = waiting[what] != null;
  waiting[what] = body;
  if (queued) return;
  pending++;
  turn = turn.then(async () => {
    const last = waiting[what];
    delete waiting[what];
    await send(what, last);
    pending--;
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
  touched = Date.now();
  setLoad(Number(e.target.value));
});
$("load").addEventListener("change", e => post("load", { rate: Number(e.target.value) }));
$("story-button").addEventListener("click", e => post("story", { run: e.target.dataset.run != "false" }));
for (const b of $("redis").querySelectorAll("button"))
  b.addEventListener("click", () => post("redis", { frozen: b.dataset.frozen == "true" }));
