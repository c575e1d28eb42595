"use strict";
// ReDoc computes its colours when it starts, so the page is loaded again when the system's scheme changes.
const dark = matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", () => location.reload());

const night = {
  colors: {
    primary: { main: "#93b4ff" }, success: { main: "#6fdca6" }, error: { main: "#ff9a9a" },
    warning: { main: "#f0b45f" }, gray: { 50: "#252b2f", 100: "#2a3034" },
    text: { primary: "#e4e6e6", secondary: "#b7bcbf" },
    border: { dark: "#4a5358", light: "#2a3034" },
    responses: {
      success: { tabTextColor: "#6fdca6" }, error: { tabTextColor: "#ff9a9a" },
      info: { color: "#7cc7e8", tabTextColor: "#7cc7e8" },
    },
  },
  schema: { nestedBackground: "#252b2f", linesColor: "#5a656b" },
  typography: { code: { color: "#ffb3a7", backgroundColor: "#2a3034" } },
  sidebar: {
    backgroundColor: "#22282b", textColor: "#e4e6e6",
    groupItems: { activeBackgroundColor: "#2f373c" }, level1Items: { activeBackgroundColor: "#2f373c" },
  },
  rightPanel: {
    backgroundColor: "#14181a",
    servers: { overlay: { backgroundColor: "#252b2f", textColor: "#e4e6e6" }, url: { backgroundColor: "#1c2022" } },
  },
  codeBlock: { backgroundColor: "#0b0d0e" },
  fab: { backgroundColor: "#2a3034", color: "#93b4ff" },
};
Redoc.init("openapi.json", {
  theme: dark.matches ? night : {}, nativeScrollbars: true, scrollYOffset: "nav", jsonSamplesExpandLevel: 4,
}, document.getElementById("redoc"));
