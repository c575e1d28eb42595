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
  $("story-now").textContent = running
    ? "Now: breaker " + breakerNow(s.breaker) + "; answered " + rate(s.point.ok) + "/s, refused " + rate(s.point.refused) +
      "/s, failed " + rate(s.point.failed) + "/s"
    : "";
}

let saidLessons = "";
function showDev(s) {
  $("play").hidden = !s.dev;
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

