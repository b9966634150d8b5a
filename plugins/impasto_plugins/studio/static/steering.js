// What can be done with a run while it paints: sliders of weights, pause, one step, back, stop, save.

import { button, el, number } from "./dom.js";
import { save, steer } from "./talk.js";

const REACH = 2;
// Powers of ten to either side of the weight that the run began with.

export class Steering {
  constructor(place) {
    this.place = place;
    this.first = {};
    this.rows = new Map();
    this.pause = button("Pause", () => steer({ do: this.paused ? "go_on" : "pause" }), { className: "main" });
    this.step = button("One step", () => steer({ do: "one_step" }));
    this.next = button("Finish this stage", () => steer({ do: "finish_stage" }));
    this.stop = button("Stop and keep", () => steer({ do: "stop" }), { className: "careful" });
    this.back = el("input", { type: "range", min: 0, value: 0, step: 1, "aria-label": "Earlier step" });
    this.backTold = el("output", {});
    this.go = button("Go back", () => steer({ do: "rewind", step: this.snapshots[this.back.value] }));
    this.back.addEventListener("input", () => this.sayBack());
    this.backRow = el("div", { className: "slider" },
      el("label", {}, "Back to", this.back), this.backTold, this.go);
    this.weights = el("div", { className: "weights" });
    this.saving = el("div", { className: "buttons" }, el("span", { className: "soft" }, "Save as"),
      ...["PNG", "JPEG", "TIFF"].map((format) => button(format === "TIFF" ? "TIFF, 16 bits" : format, async () => {
        const found = await steer({ do: "save", format });
        if (found && found.blob) save(found);
      })));
    this.changes = el("details", { hidden: true }, el("summary", {}), el("ol", { className: "small" }));
    place.append(el("h2", {}, "Steer"),
      el("div", { className: "buttons" }, this.pause, this.step, this.next, this.stop),
      this.weights, this.backRow, this.saving, this.changes);
  }

  show(state) {
    const running = Boolean(state) && state.status === "running";
    this.place.hidden = !running || !state.weights;
    if (this.place.hidden) return;
    this.paused = state.paused;
    this.pause.textContent = state.paused ? "Go on" : "Pause";
    this.step.disabled = !state.paused;
    this.next.disabled = state.stages.length < 2 && false;
    if (this.run !== state.run) {
      this.run = state.run;
      this.first = {};
      this.rows.clear();
      this.weights.replaceChildren();
    }
    for (const [term, value] of Object.entries(state.weights)) {
      this.slider(`term ${term}`, term, value, (chosen) => steer({ do: "weight", term, value: chosen }));
    }
    if (state.style_weights.length > 1) {
      state.style_weights.forEach((value, index) => {
        this.slider(`style ${index}`, `style ${index + 1}`, value,
          (chosen) => steer({ do: "style", number: index, value: chosen }));
      });
    }
    this.snapshots = state.snapshots || [];
    this.backRow.hidden = this.snapshots.length === 0;
    const atEnd = this.back.value === this.back.max;
    this.back.max = Math.max(0, this.snapshots.length - 1);
    if (atEnd) this.back.value = this.back.max;
    this.sayBack();
    const changes = state.changes || [];
    this.changes.hidden = changes.length === 0;
    this.changes.firstChild.textContent = `${changes.length} ${changes.length === 1 ? "change" : "changes"}, kept in the recipe`;
    this.changes.lastChild.replaceChildren(...changes.map((line) => el("li", {}, line)));
  }

  sayBack() {
    const step = this.snapshots[this.back.value];
    this.backTold.textContent = step === undefined ? "" : `step ${step}`;
  }

  slider(key, name, value, send) {
    let row = this.rows.get(key);
    if (!row) {
      const first = value || 1;
      const input = el("input", { type: "range", min: -REACH * 50, max: REACH * 50, step: 1 });
      const told = el("output", {});
      const again = button("↺", () => send(first), { className: "quiet", title: "As it was", "aria-label": `${name} as it was` });
      row = { first, input, told, busy: 0 };
      const chosen = () => (Number(input.value) <= -REACH * 50 ? 0 : first * 10 ** (input.value / 50));
      input.addEventListener("input", () => {
        told.textContent = number(chosen());
        row.busy = Date.now();
        clearTimeout(row.timer);
        row.timer = setTimeout(() => send(chosen()), 150);
      });
      this.rows.set(key, row);
      this.weights.append(el("div", { className: "slider" }, el("label", {}, name, input), told, again));
    }
    // What another tab did shows here, but not under the finger that moves the slider.
    if (Date.now() - row.busy < 800) return;
    row.input.value = value > 0 ? Math.round(50 * Math.log10(value / row.first)) : -REACH * 50;
    row.told.textContent = number(value);
  }
}
