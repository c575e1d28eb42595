"use strict";
// The page of Swagger UI, and what Swagger UI does not have: the dark scheme of the system, keys to try with --dev, and
// an anchor for each problem code. Streams are in streams.js.
const id = (name) => document.getElementById(name);

// Swagger UI's dark style is a class.
const dark = matchMedia("(prefers-color-scheme: dark)");
const dress = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", dress);
dress();

// list writes the table of problem codes from the examples of the description.
function list(spec) {
  const values = Object.values(spec.components.examples).map((example) => example.value);
  const rows = values.filter((value) => value.code && value.type !== "error");
  rows.sort((a, b) => a.status - b.status || a.code.localeCompare(b.code));
  const body = id("codes").createTBody();
  for (const problem of rows) {
    const row = body.insertRow();
    if (!id(problem.code)) row.id = problem.code;
    for (const name of ["status", "code", "title", "detail"]) row.insertCell().textContent = problem[name];
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

// offer makes the keys that the page names ready to be used.
function offer(ui) {
  for (const button of document.querySelectorAll("#keys button")) {
    button.disabled = false;
    button.onclick = () => {
      ui.preauthorizeApiKey("bearer", button.textContent);
      id("key-given").textContent = `${button.textContent} is given.`;
    };
  }
}

// once removes the word Bearer from a key that was given with it, because Swagger UI adds it.
function once(request) {
  const { headers } = request;
  if (headers?.Authorization) headers.Authorization = headers.Authorization.replace(/^Bearer +Bearer +/i, "Bearer ");
  return request;
}

fetch("openapi.json").then((response) => response.json()).then((spec) => {
  list(spec);
  window.ui = SwaggerUIBundle({
    spec, dom_id: "#swagger-ui", deepLinking: location.hash === "" || location.hash.startsWith("#/"),
    presets: [SwaggerUIBundle.presets.apis], plugins: [streamsInPlace], requestInterceptor: once,
    displayRequestDuration: true, defaultModelsExpandDepth: 0, onComplete: () => offer(window.ui),
  });
});
