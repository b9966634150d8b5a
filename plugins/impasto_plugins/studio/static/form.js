// The form for a new painting. Its settings are what the engine and the plugins say that they have.

import { button, el, number, tell } from "./dom.js";
import { field, Loss, Part } from "./fields.js";
import { paintMask } from "./mask.js";
import { ask, told } from "./talk.js";

const PREVIEW = 256;
const SIZES = [256, 384, 512, 768, 1024];
const FIRST = ["default", "strong", "subtle"];
const PLAIN = ["size", "style_weight", "colors"];
// Settings that the form shows by itself, before all others.

export class Form {
  constructor(place, about, start) {
    this.about = about;
    this.start = start;
    this.content = null;
    this.styles = [];
    this.preset = "default";
    this.fields = new Map();
    this.contentDrop = this.drop("Content", "A photograph. Drop it here, or choose one.", (given) => this.setContent(given));
    this.styleDrop = this.drop("Style", "A painting, or several. Drop them here, or choose.", (given) => this.addStyle(given), true);
    this.styleList = el("div", { className: "styles" });
    this.presets = el("div", { className: "presets", role: "radiogroup", "aria-label": "Look" });
    this.command = el("code", { tabIndex: 0 });
    this.complaint = el("p", { className: "line bad", role: "alert", hidden: true });
    this.preview = button(`Preview at ${PREVIEW} px`, () => this.send({ size: PREVIEW, preset: "quick" }), { disabled: true });
    this.paint = button("Paint", () => this.send({}), { className: "main", disabled: true });
    place.append(
      el("div", { className: "columns" },
        el("div", {}, el("h2", {}, "Pictures"), this.contentDrop, this.styleDrop, this.styleList),
        el("div", {}, el("h2", {}, "Look"), this.presets, this.plain(), this.all())),
      el("div", { className: "go" }, this.complaint,
        el("div", { className: "buttons" }, this.paint, this.preview,
          button("Start afresh", () => this.reset(), { className: "quiet" })),
        el("div", { className: "command" }, this.command,
          button("Copy", () => navigator.clipboard.writeText(this.command.textContent).then(() => tell("Copied", false)), { title: "Copy the command that does the same" }))));
    this.showPresets();
    this.changed();
  }

  drop(name, words, take, several = false) {
    const input = el("input", { type: "file", accept: "image/*,.tif,.tiff,.heic,.jxl,.webp", multiple: several, className: "hidden-file", "aria-label": `${name}: choose a file` });
    const body = el("label", { className: "drop" }, input, el("span", { className: "name" }, name), el("span", { className: "soft small" }, words));
    const upload = async (files) => {
      for (const file of several ? files : [...files].slice(0, 1)) {
        body.classList.add("busy");
        const given = await told(ask("/api/uploads", file, { headers: { "X-Name": encodeURIComponent(file.name) } }));
        body.classList.remove("busy");
        if (given) await take(given);
      }
    };
    input.addEventListener("change", () => upload([...input.files]).then(() => { input.value = ""; }));
    for (const name of ["dragover", "dragenter"]) {
      body.addEventListener(name, (event) => { event.preventDefault(); body.classList.add("over"); });
    }
    body.addEventListener("dragleave", () => body.classList.remove("over"));
    body.addEventListener("drop", (event) => {
      event.preventDefault();
      body.classList.remove("over");
      upload([...event.dataTransfer.files]);
    });
    return body;
  }

  setContent(given) {
    this.content = given;
    this.contentDrop.querySelector("img, .told")?.remove();
    this.contentDrop.classList.toggle("has", Boolean(given));
    this.contentDrop.querySelectorAll("img, .remove").forEach((one) => one.remove());
    if (given) {
      this.contentDrop.append(el("img", { src: `/api/uploads/${given.id}`, alt: given.name }));
      this.contentDrop.querySelector(".soft").textContent = `${given.name}, ${given.width} × ${given.height}`;
      this.contentDrop.append(button("×", (event) => { event.preventDefault(); this.setContent(null); },
        { className: "remove", "aria-label": "Take the content away", title: "Without a content a texture is painted" }));
    } else this.contentDrop.querySelector(".soft").textContent = "A photograph. Drop it here, or choose one. Without one a texture is painted.";
    for (const style of this.styles) style.content_mask = null;
    this.showStyles();
    this.changed();
  }

  addStyle(given, options = {}) {
    this.styles.push({ ...given, weight: 1, scale: 1, content_mask: null, style_mask: null, ...options });
    this.showStyles();
    this.changed();
  }

  showStyles() {
    this.styleList.replaceChildren(...this.styles.map((style, index) => {
      const told = el("output", {}, number(style.weight));
      const weight = el("input", { type: "range", min: -100, max: 100, value: Math.round(100 * Math.log10(style.weight)), "aria-label": `Weight of ${style.name}`,
        oninput: (event) => { style.weight = Number((10 ** (event.target.value / 100)).toPrecision(3)); told.textContent = number(style.weight); this.changed(); } });
      const scale = el("select", { "aria-label": `Size of the strokes of ${style.name}`, onchange: (event) => { style.scale = Number(event.target.value); this.changed(); } },
        [[0.5, "fine strokes"], [0.7, "smaller strokes"], [1, "strokes as they are"], [1.4, "larger strokes"], [2, "broad strokes"]].map(([value, words]) =>
          el("option", { value, selected: value === style.scale }, words)));
      const masked = (name, words, picture) => button(style[name] ? `${words} ✓` : words, async () => {
        const mask = await paintMask(picture, words, style[name]);
        if (mask === undefined) return;
        style[name] = mask;
        this.showStyles();
        this.changed();
      }, { className: style[name] ? "on" : "", disabled: !picture });
      return el("div", { className: "style" }, el("img", { src: `/api/uploads/${style.id}`, alt: "" }),
        el("div", {}, el("b", { className: "small" }, style.name),
          this.styles.length > 1 ? el("div", { className: "slider" }, el("label", {}, "Weight", weight), told) : null,
          el("div", { className: "buttons" }, scale, masked("content_mask", "Where it paints", this.content), masked("style_mask", "Which part of it", style))),
        button("×", () => { this.styles.splice(index, 1); this.showStyles(); this.changed(); }, { className: "quiet", "aria-label": `Take ${style.name} away` }));
    }));
  }

  showPresets() {
    const rank = (name) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
    const names = Object.keys(this.about.presets).sort((a, b) => rank(a) - rank(b));
    this.presets.replaceChildren(...names.map((name) => {
      const input = el("input", { type: "radio", name: "preset", value: name, checked: name === this.preset,
        onchange: () => { this.preset = name; this.changed(); } });
      const image = this.about.presets[name].picture ? el("img", { src: `/static/preset_${name}.jpg`, alt: "" }) : el("span", { className: "blank" }, name[0]);
      return el("label", { className: "preset", title: this.about.presets[name].about || "" }, input, image, el("span", {}, name));
    }));
    this.aboutPreset = el("p", { className: "soft small about" });
    this.presets.append(this.aboutPreset);
  }

  field(setting) {
    const kind = { extractor: "extractor", optimizer: "optimizer", canvas: "canvas" }[setting.name];
    const parts = this.about.parts.filter((one) => one.kind === kind);
    const made = setting.name === "loss" ? new Loss(this.about.parts.filter((one) => one.kind === "loss"), () => this.changed())
      : kind ? new Part(parts, () => this.changed()) : field(setting, () => this.changed());
    this.fields.set(setting.name, made);
    return el("div", { className: kind || setting.name === "loss" ? "setting wide" : "setting" }, el("label", {}, el("span", {}, setting.name.replaceAll("_", " ")), made.element),
      el("details", { className: "help" }, el("summary", { "aria-label": `About ${setting.name}` }, "?"), el("p", { className: "small soft" }, `${setting.help} (${setting.type})`)));
  }

  plain() {
    const by = (name) => this.about.settings.find((one) => one.name === name);
    const made = el("div", { className: "plain" }, PLAIN.map((name) => this.field(by(name))));
    const size = this.fields.get("size");
    const chips = el("div", { className: "chips" }, SIZES.map((value) => button(String(value), () => { size.set(value); this.changed(); })));
    made.firstChild.after(chips);
    return made;
  }

  all() {
    const groups = new Map();
    for (const setting of this.about.settings) {
      if (PLAIN.includes(setting.name)) continue;
      if (!groups.has(setting.group)) groups.set(setting.group, []);
      groups.get(setting.group).push(setting);
    }
    return el("div", { className: "groups" }, [...groups].map(([title, settings]) =>
      el("details", {}, el("summary", {}, title === "Pictures" ? "Start" : title),
        el("div", { className: "fields" }, settings.map((setting) => this.field(setting))))));
  }

  // What a preset and then the engine would take where nothing is given.
  standard(name) {
    const value = (this.about.presets[this.preset] || {})[name];
    return value === undefined ? (this.about.settings.find((one) => one.name === name) || {}).default : value;
  }

  order(more = {}) {
    const settings = {};
    for (const [name, one] of this.fields) {
      const value = one.value();
      if (value !== undefined) settings[name] = value;
    }
    const { preset = this.preset, ...others } = more;
    return {
      content: this.content && this.content.id,
      styles: this.styles.map(({ id, weight, scale, content_mask, style_mask }) => ({ id, weight, scale, content_mask, style_mask })),
      preset: preset === "quick" && this.preset !== "default" ? this.preset : preset,
      settings: { ...settings, ...others },
    };
  }

  changed() {
    for (const [name, one] of this.fields) one.show(this.standard(name));
    this.aboutPreset.textContent = (this.about.presets[this.preset] || {}).about || "";
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.check(), 250);
  }

  async check() {
    const ready = this.styles.length > 0;
    this.paint.disabled = this.preview.disabled = !ready;
    this.command.parentElement.hidden = !ready;
    this.complaint.hidden = true;
    if (!ready) return;
    try {
      const found = await ask("/api/check", this.order());
      this.command.textContent = found.command;
    } catch (error) {
      this.complaint.textContent = error.message;
      this.complaint.hidden = false;
      this.paint.disabled = this.preview.disabled = true;
    }
  }

  send(more) {
    this.start(this.order(more));
  }

  reset() {
    this.content = null;
    this.styles = [];
    this.preset = "default";
    for (const one of this.fields.values()) one.set(undefined);
    this.setContent(null);
    this.showPresets();
    this.changed();
  }

  // The form as it was for a run, with some settings in place of its own.
  async fill(asked, more) {
    this.reset();
    const about = (id) => told(ask(`/api/uploads/${id}/about`));
    if (asked.content) this.setContent(await about(asked.content));
    for (const style of asked.styles || []) {
      const given = await about(style.id);
      if (given) this.addStyle(given, style);
    }
    if (asked.preset && this.about.presets[asked.preset]) this.preset = asked.preset;
    for (const [name, value] of Object.entries({ ...asked.settings, ...more })) this.fields.get(name)?.set(value);
    this.showPresets();
    this.changed();
  }
}
