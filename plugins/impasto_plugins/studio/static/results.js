// Past results and the queue: open one, compare two, again with other settings.

import { $, button, duration, el, number, tell } from "./dom.js";
import { ask, save, told } from "./talk.js";
import { Viewer } from "./viewer.js";

const WORDS = { waiting: "Waiting", running: "Painting", done: "Done", interrupted: "Interrupted", failed: "Failed" };

export class Results {
  constructor(place, { again, watch }) {
    this.again = again;
    this.watch = watch;
    this.chosen = [];
    this.table = [];
    this.compare = button("Compare two", () => this.openBoth(), { disabled: true });
    this.list = el("div", { className: "gallery" });
    place.append(el("div", { className: "head" }, el("h2", {}, "Results"), el("span", { className: "soft small" }, "Mark two to compare them."), el("span", { className: "space" }), this.compare), this.list);
  }

  show(table) {
    this.table = table;
    this.chosen = this.chosen.filter((id) => table.some((one) => one.id === id && one.picture));
    this.compare.disabled = this.chosen.length !== 2;
    if (!table.length) {
      this.list.replaceChildren(el("p", { className: "soft" }, "Nothing yet. What you paint is kept here, with its recipe."));
      return;
    }
    this.list.replaceChildren(...table.map((one) => this.card(one)));
  }

  card(one) {
    const mark = el("input", { type: "checkbox", checked: this.chosen.includes(one.id), "aria-label": `Mark ${one.title}`,
      onchange: (event) => {
        this.chosen = this.chosen.filter((id) => id !== one.id);
        if (event.target.checked) this.chosen = [...this.chosen, one.id].slice(-2);
        this.show(this.table);
      } });
    const image = one.picture
      ? el("button", { type: "button", className: "shown", onclick: () => this.open(one), "aria-label": `Open ${one.title}` }, el("img", { src: `/api/runs/${one.id}/small?${one.status}`, alt: "", loading: "lazy" }))
      : el("div", { className: "shown none" }, WORDS[one.status] || "");
    const buttons = [];
    if (one.status === "running") buttons.push(button("Watch", this.watch));
    if (one.asked) buttons.push(button("Again with…", () => this.again(one.asked)));
    if (one.checkpoint && ["interrupted", "failed"].includes(one.status)) buttons.push(button("Go on", () => told(ask(`/api/runs/${one.id}/resume`, {})), { className: "main" }));
    if (one.status !== "running") buttons.push(button(one.status === "waiting" ? "Cancel" : "Remove", () => this.remove(one), { className: "quiet" }));
    return el("article", { className: "result" }, image,
      el("div", { className: "words" }, el("label", { className: "small" }, one.picture ? mark : null, el("b", {}, one.title)),
        el("p", { className: "soft small" }, this.line(one)), el("div", { className: "buttons" }, buttons)));
  }

  line(one) {
    const parts = [WORDS[one.status] || one.status];
    if (one.status === "done" && one.stopped) parts[0] = `Stopped (${one.stopped})`;
    if (one.size) parts.push(`${one.size[0]} × ${one.size[1]}`);
    if (one.steps) parts.push(`${one.steps} steps`);
    if (one.seconds) parts.push(duration(one.seconds));
    if (one.line) parts.push(one.line);
    return parts.join(", ");
  }

  async remove(one) {
    // A second press within a few seconds removes; no box that asks.
    if (one.picture && this.asked !== one.id) {
      this.asked = one.id;
      tell(`Press Remove once more to remove “${one.title}” for good.`);
      setTimeout(() => { this.asked = null; }, 6000);
      return;
    }
    await told(ask(`/api/runs/${one.id}/remove`, {}));
  }

  async bitmap(one) {
    return createImageBitmap((await ask(`/api/runs/${one.id}/picture`)).blob);
  }

  async open(one) {
    const bitmap = await told(this.bitmap(one)), recipe = await ask(`/api/runs/${one.id}/recipe`).catch(() => null);
    if (!bitmap) return;
    const before = one.asked && one.asked.content ? await ask(`/api/uploads/${one.asked.content}`).then(({ blob }) => createImageBitmap(blob)).catch(() => null) : null;
    this.dialog(one.title, bitmap, one.size || [bitmap.width, bitmap.height], before,
      el("div", { className: "buttons" },
        button("Save", async () => { const file = await told(ask(`/api/runs/${one.id}/file`)); if (file) save(file); }, { className: "main" }),
        one.asked ? button("Again with…", () => { $("dialog").close(); this.again(one.asked); }) : null,
        one.asked ? button("Paint it large", () => { $("dialog").close(); this.again(large(one.asked)); }) : null,
        one.picture && recipe ? button("Repeat it exactly", async () => { if (await told(ask(`/api/runs/${one.id}/rerun`, {}))) { $("dialog").close(); this.watch(); } }) : null),
      recipe ? el("details", {}, el("summary", {}, "Recipe"), el("pre", { className: "small" }, shown(recipe))) : null,
      one.command ? el("details", {}, el("summary", {}, "Command"), el("code", {}, one.command)) : null);
  }

  async openBoth() {
    const [first, second] = this.chosen.map((id) => this.table.find((one) => one.id === id));
    const [before, after] = await Promise.all([this.bitmap(first), this.bitmap(second)]);
    const viewer = this.dialog(`${first.title}  |  ${second.title}`, after, [after.width, after.height], before,
      el("p", { className: "soft small" }, "The slider shows the first to its left and the second to its right."));
    viewer.compare.textContent = "Slider";
    viewer.toggle();
  }

  dialog(title, after, size, before, ...more) {
    const dialog = $("dialog"), place = el("div", { className: "big" });
    dialog.replaceChildren(el("div", { className: "head" }, el("h2", { id: "dialog-title" }, title), el("span", { className: "space" }), button("Close", () => dialog.close())), place, ...more.filter(Boolean));
    dialog.showModal();
    const viewer = new Viewer(place);
    viewer.resized();
    viewer.show(after, ...size);
    viewer.showBefore(before);
    return viewer;
  }

  // What can be done with the painting that has ended, below it.
  below(place, record, state) {
    const ended = record && state && ["done", "failed", "interrupted"].includes(state.status);
    const key = ended ? `${record.id} ${record.status} ${record.picture} ${record.checkpoint}` : "";
    if (place.dataset.key === key) return;
    place.dataset.key = key;
    place.hidden = !ended;
    if (!ended) return;
    const act = (action) => told(ask(`/api/runs/${record.id}/${action}`, {}));
    place.replaceChildren(el("div", { className: "buttons" },
      record.picture ? button("Save", async () => { const file = await told(ask(`/api/runs/${record.id}/file`)); if (file) save(file); }, { className: "main" }) : null,
      record.picture ? button("Paint it large", () => this.again(large(record.asked))) : null,
      button("Again with…", () => this.again(record.asked)),
      record.picture && record.status === "done" ? button("Repeat it exactly", () => act("rerun")) : null,
      record.checkpoint && record.status !== "done" ? button("Go on", () => act("resume")) : null,
      record.picture ? button("Open", () => this.open(record)) : null));
  }
}

// A preview's settings for a picture of full size: the size, and the look that it was a preview of.
function large(asked) {
  const { size, ...settings } = asked.settings || {};
  return { ...asked, preset: asked.preset === "quick" ? "default" : asked.preset, settings };
}

function shown(recipe) {
  const line = (value) => (typeof value === "number" ? number(value) : typeof value === "string" ? value : JSON.stringify(value));
  return Object.entries(recipe).map(([name, value]) => (value && typeof value === "object" && !Array.isArray(value)
    ? `${name}\n${Object.entries(value).map(([key, item]) => `    ${key} = ${line(item)}`).join("\n")}` : `${name} = ${line(value)}`)).join("\n");
}
