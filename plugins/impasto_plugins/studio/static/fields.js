// Inputs that are made from what a setting or an option says of itself. Empty means: as the preset has it.

import { button, el } from "./dom.js";

const BOUND = /([>≥<≤]) ([\d.e+-]+)/g;

function limits(type) {
  const found = {};
  for (const [, sign, value] of type.matchAll(BOUND)) found[sign === ">" || sign === "≥" ? "min" : "max"] = value;
  return found;
}

function said(value) {
  if (Array.isArray(value)) return value.map(said).join(", ");
  if (value && typeof value === "object") return value.name;
  return value === null || value === undefined ? "" : String(value);
}

// The input of a value of a type in words, as the engine gives it.
export function field(setting, changed) {
  const { type } = setting, words = type.split(" | ");
  if (type === "true | false" || words.every((word) => /^[\w.-]+$/.test(word) && word !== "text") && words.length > 1) {
    const options = type === "true | false" ? ["true", "false"] : words;
    const element = el("select", { onchange: changed }, el("option", { value: "" }, ""), options.map((word) => el("option", { value: word }, word)));
    return {
      element,
      value: () => (element.value === "" ? undefined : type === "true | false" ? element.value === "true" : /^\d+$/.test(element.value) ? Number(element.value) : element.value),
      set: (value) => { element.value = value === undefined || value === null ? "" : String(value); },
      show: (standard) => { element.firstChild.textContent = said(standard) ? `${said(standard)} (preset)` : "not given"; },
    };
  }
  const isNumber = /^(whole )?number/.test(type) && words.length === 1;
  const element = el("input", isNumber
    ? { type: "number", step: type.startsWith("whole") ? 1 : "any", ...limits(type), oninput: changed }
    : { type: "text", oninput: changed, spellcheck: false, autocomplete: "off" });
  return {
    element,
    value: () => {
      const text = element.value.trim();
      if (text === "") return undefined;
      return Number.isFinite(Number(text)) ? Number(text) : text;
    },
    set: (value) => { element.value = said(value); },
    show: (standard) => { element.placeholder = said(standard); },
  };
}

// A plugin of a kind, with its options.
export class Part {
  constructor(parts, changed, empty = true) {
    this.parts = parts;
    this.changed = changed;
    this.select = el("select", { onchange: () => { this.choose(this.select.value); changed(); } },
      empty ? el("option", { value: "" }, "") : null, parts.map((one) => el("option", { value: one.name, title: one.help }, one.name)));
    this.options = el("div", { className: "options" });
    this.element = el("div", { className: "part" }, this.select, this.options);
    this.fields = new Map();
  }

  choose(name) {
    this.select.value = name;
    this.fields.clear();
    const part = this.parts.find((one) => one.name === name);
    // Options that name files are not for the page.
    const options = part ? part.options.filter((one) => !one.type.includes("Path")) : [];
    this.options.replaceChildren(...options.map((option) => {
      const made = field(option, this.changed);
      made.show(option.default);
      this.fields.set(option.name, made);
      return el("label", { title: `${option.help} (${option.type})` }, el("span", {}, option.name.replaceAll("_", " ")), made.element);
    }));
  }

  value() {
    if (!this.select.value) return undefined;
    const table = { name: this.select.value };
    for (const [name, one] of this.fields) if (one.value() !== undefined) table[name] = one.value();
    return table;
  }

  set(value) {
    if (typeof value === "string") this.choose(value.split(":")[0]);
    else this.choose(value ? value.name : "");
    if (value && typeof value === "object") {
      for (const [name, given] of Object.entries(value)) this.fields.get(name)?.set(given);
    }
  }

  show(standard) {
    if (this.select.options[0] && this.select.options[0].value === "") this.select.options[0].textContent = said(standard) ? `${said(standard)} (preset)` : "not given";
  }
}

// Several losses; none given takes those of the preset.
export class Loss {
  constructor(parts, changed) {
    this.parts = parts;
    this.changed = changed;
    this.list = [];
    this.standard = el("p", { className: "small soft" });
    this.rows = el("div", {});
    this.element = el("div", { className: "part" }, this.standard, this.rows,
      button("Choose terms", (event) => { event.preventDefault(); this.add(); this.changed(); }));
  }

  add(value) {
    const part = new Part(this.parts, this.changed, false);
    part.set(value || this.parts[0].name);
    this.list.push(part);
    this.draw();
  }

  draw() {
    this.rows.replaceChildren(...this.list.map((part, index) => el("div", { className: "term" }, part.element,
      button("×", (event) => { event.preventDefault(); this.list.splice(index, 1); this.draw(); this.changed(); }, { className: "quiet", "aria-label": "Take this term away" }))));
    this.standard.hidden = this.list.length > 0;
    this.element.lastChild.textContent = this.list.length ? "One more term" : "Choose terms";
  }

  value() {
    return this.list.length ? this.list.map((part) => part.value()) : undefined;
  }

  set(value) {
    this.list = [];
    for (const one of Array.isArray(value) ? value : value ? [value] : []) this.add(one);
    this.draw();
  }

  show(standard) {
    this.standard.textContent = `${said(standard)} (preset)`;
  }
}
