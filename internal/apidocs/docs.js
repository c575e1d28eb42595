"use strict";
// The page of Swagger UI, and what Swagger UI does not have: a stream's events are shown as they come, and each problem
// code has an anchor.
const id = (name) => document.getElementById(name);
let stop = new AbortController();

// watched is fetch, but a stream is read twice: once to be shown at once, once for Swagger UI, which shows it at its end.
async function watched(url, request) {
  const own = new AbortController();
  const response = await fetch(url, { ...request, signal: own.signal });
  if (!(response.headers.get("Content-Type") || "").startsWith("text/event-stream")) return response;
  stop = own;
  const [shown, whole] = response.body.tee();
  show(shown, url);
  const { status, statusText, headers } = response;
  return new Response(whole, { status, statusText, headers });
}

// show writes what arrives into the panel. A long stream keeps its last part.
async function show(body, url) {
  const text = id("stream-text"), title = id("stream-title"), begun = performance.now();
  const name = new URL(url, location.href).pathname;
  let events = 0, kept = "";
  text.textContent = "";
  id("stream").hidden = false;
  const tell = (state) => { title.textContent = `${name}: ${events} events, ${((performance.now() - begun) / 1000).toFixed(1)} s${state}`; };
  tell("");
  try {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part; !(part = await reader.read()).done;) {
      events += part.value.split("\n").filter((line) => line.startsWith("data:")).length;
      kept = (kept + part.value).slice(-100_000);
      text.textContent = kept;
      text.scrollTop = text.scrollHeight;
      tell("");
    }
    tell(", ended");
  } catch (err) {
    tell(`, broken off (${err.name})`);
  }
}

id("stream-stop").onclick = () => stop.abort();
id("stream-close").onclick = () => { id("stream").hidden = true; };

// list writes the table of problem codes from the examples of the description.
function list(spec) {
  const rows = Object.values(spec.components.examples).map((example) => example.value).filter((value) => value.code && value.type !== "error");
  rows.sort((a, b) => a.status - b.status || a.code.localeCompare(b.code));
  const body = id("codes").createTBody();
  for (const problem of rows) {
    const row = body.insertRow();
    if (!id(problem.code)) row.id = problem.code;
    for (const value of [problem.status, problem.code, problem.title, problem.detail]) row.insertCell().textContent = value;
  }
  lead();
}

// lead goes to the code that the address names, and marks it. The browser could not, because the table came later.
function lead() {
  document.querySelector("tr.asked")?.classList.remove("asked");
  const row = location.hash.startsWith("#/") ? null : id(location.hash.slice(1));
  row?.classList.add("asked");
  row?.scrollIntoView();
}
window.addEventListener("hashchange", lead);

fetch("openapi.json").then((response) => response.json()).then((spec) => {
  list(spec);
  window.ui = SwaggerUIBundle({
    spec, dom_id: "#swagger-ui", deepLinking: location.hash === "" || location.hash.startsWith("#/"),
    presets: [SwaggerUIBundle.presets.apis], displayRequestDuration: true, defaultModelsExpandDepth: 0,
    requestInterceptor: (request) => { request.userFetch = watched; return request; },
  });
});
