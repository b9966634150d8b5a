// What all parts of a page are made with. Text from data goes through shown() and is never read as HTML.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const root = document.documentElement;
const KINDS = {
  extractor: "network", loss: "losses", optimizer: "optimizer", canvas: "canvas", plugin: "plugins' hooks",
  objective: "rest of the objective", backward: "rest of the backward pass", waiting: "waiting for the device",
  elsewhere: "the loop itself",
};
const drawnAgain = [];

function shown(text) {
  return String(text).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu,
    (sign) => "\\u{" + sign.codePointAt(0).toString(16) + "}");
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "style") Object.entries(value).forEach(([key, one]) => node.style.setProperty(key, one));
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : shown(value));
  }
  node.append(...children.flat().filter((one) => one !== null && one !== undefined)
    .map((one) => (one instanceof Node ? one : shown(one))));
  return node;
}

function el(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function kindOf(part) {
  const kind = part.split(/[/,]/)[0];
  return Object.hasOwn(KINDS, kind) ? kind : "elsewhere";
}

function color(name) {
  return getComputedStyle(root).getPropertyValue("--" + name).trim();
}

function digits(value, most = 3) {
  if (value === 0) return "0";
  const places = Math.max(0, most - 1 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(places, 3));
}

function duration(milliseconds) {
  return Math.abs(milliseconds) >= 1000 ? digits(milliseconds / 1000) + " s" : digits(milliseconds) + " ms";
}

function percent(fraction) {
  return (100 * fraction).toFixed(1) + " %";
}

function legend(entries) {
  return el("div", { class: "legend" },
    entries.map(([mark, text, light]) => el("span", { class: light ? "light" : null, style: { "--mark": `var(--${mark})` } }, text)));
}

function card(heading, ...children) {
  const name = heading.toLowerCase().replace(/[^a-z]+/g, "-");
  return el("section", { class: "card", "aria-labelledby": name }, el("h2", { id: name }, heading), children);
}

function table(headings, rows, words = []) {
  const shape = (place) => ({ class: words.includes(place) ? "text" : null });
  return el("div", { class: "scrolls" }, el("table", {},
    el("thead", {}, el("tr", {}, headings.map((one, place) => el("th", { scope: "col", ...shape(place) }, one)))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map((one, place) => el("td", shape(place), one)))))));
}

function copyable(command) {
  const button = el("button", { type: "button" }, "Copy");
  const code = el("code", {}, command);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Selected: Ctrl+C";
    }
  });
  return el("div", { class: "command" }, code, button);
}

function themes() {
  const asked = new URLSearchParams(location.hash.slice(1)).get("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const button = el("button", { type: "button" });
  const set = (theme) => {
    root.dataset.theme = theme;
    button.textContent = theme === "dark" ? "Light" : "Dark";
    drawnAgain.forEach((draw) => draw());
  };
  button.addEventListener("click", () => set(root.dataset.theme === "dark" ? "light" : "dark"));
  dark.addEventListener("change", () => set(dark.matches ? "dark" : "light"));
  set(asked === "dark" || (asked === null && dark.matches) ? "dark" : "light");
  return button;
}
