// The total and every term by step, on a logarithmic scale.

import { el, number, svg } from "./dom.js";

const HEIGHT = 190, LEFT = 40, RIGHT = 4, TOP = 8, BOTTOM = 22;
const FIRST = 4;
// Columns of a point before the total: step, stage, seconds, memory.

export class Curves {
  constructor(place) {
    this.place = place;
    this.rows = [];
    this.names = [];
    this.hidden = new Set();
    this.chart = svg("svg", { role: "img" });
    this.legend = el("div", { className: "legend" });
    this.told = el("p", { className: "soft small" }, "Point at the curves to read them.");
    place.append(el("h2", {}, "Losses"), this.legend, this.chart, this.told);
    this.chart.addEventListener("pointermove", (event) => this.read(event));
    this.asked = false;
    new ResizeObserver(() => this.draw()).observe(place);
  }

  reset(rows) {
    this.rows = rows;
    this.draw();
  }

  add(rows) {
    this.rows.push(...rows);
    this.draw();
  }

  name(names) {
    if (names.join() === this.names.join()) return;
    this.names = names;
    this.legend.replaceChildren(...["total", ...names].map((name, index) => el("button", {
      type: "button", "aria-pressed": "true", className: `line c${index % 9}`,
      onclick: (event) => {
        const off = this.hidden.delete(index) ? false : Boolean(this.hidden.add(index));
        event.currentTarget.setAttribute("aria-pressed", !off);
        this.draw();
      },
    }, name, " ", el("b", {}))));
    this.draw();
  }

  // Several messages in a moment are drawn once.
  draw() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.drawNow();
    });
  }

  drawNow() {
    const { rows } = this, last = rows.at(-1);
    this.place.hidden = rows.length < 2;
    if (rows.length < 2) return;
    const WIDTH = Math.max(240, this.place.clientWidth - 36);
    this.width = WIDTH;
    this.chart.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    const values = rows.flatMap((row) => row.slice(FIRST).filter((value, index) => value > 0 && !this.hidden.has(index)));
    const high = Math.log10(Math.max(...values)), low = Math.max(Math.log10(Math.min(...values)), high - 6);
    const from = rows[0][0], steps = Math.max(1, last[0] - from);
    this.x = (step) => LEFT + ((step - from) / steps) * (WIDTH - LEFT - RIGHT);
    const span = Math.max(high - low, 0.1);
    const y = (value) => TOP + ((high - Math.max(Math.log10(value), low)) / span) * (HEIGHT - TOP - BOTTOM);
    const parts = [];
    for (let power = Math.ceil(low); power <= high; power += 1) {
      const at = y(10 ** power);
      parts.push(svg("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: at, y2: at, class: "grid" }));
      parts.push(text(LEFT - 6, at + 4, number(10 ** power), "end"));
    }
    rows.forEach((row, index) => {
      if (index && row[1] !== rows[index - 1][1]) {
        parts.push(svg("line", { x1: this.x(row[0]), x2: this.x(row[0]), y1: TOP, y2: HEIGHT - BOTTOM, class: "stage" }));
      }
    });
    parts.push(text(LEFT, HEIGHT - 6, `step ${from}`, "start"), text(WIDTH - RIGHT, HEIGHT - 6, String(last[0]), "end"));
    // The total is drawn last, above the others.
    for (let index = this.names.length; index >= 0; index -= 1) {
      if (this.hidden.has(index)) continue;
      const points = rows.filter((row) => row[FIRST + index] > 0).map((row) => `${this.x(row[0]).toFixed(1)},${y(row[FIRST + index]).toFixed(1)}`);
      parts.push(svg("polyline", { points: points.join(" "), class: `line c${index % 9}` }));
    }
    this.chart.replaceChildren(...parts);
    this.chart.setAttribute("aria-label", `Total ${number(last[FIRST])} after step ${last[0]}`);
    [...this.legend.children].forEach((one, index) => { one.lastChild.textContent = number(last[FIRST + index]); });
  }

  read(event) {
    if (!this.x || !this.rows.length) return;
    const box = this.chart.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * this.width;
    const near = this.rows.reduce((best, row) => (Math.abs(this.x(row[0]) - at) < Math.abs(this.x(best[0]) - at) ? row : best));
    const terms = ["total", ...this.names].map((name, index) => `${name} ${number(near[FIRST + index])}`);
    this.told.textContent = `Step ${near[0]}: ${terms.join(", ")}`;
  }
}

function text(x, y, words, anchor) {
  return svg("text", { x, y, "text-anchor": anchor }, words);
}
