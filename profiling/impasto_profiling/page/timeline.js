// The timeline of one step: zoom, move, hover; all of it by keyboard, too.
"use strict";

const ROW = 18;
const AXIS = 22;

class Timeline {
  constructor(line) {
    this.line = line;
    this.from = 0;
    this.to = line.milliseconds;
    this.chosen = null;
    this.canvas = el("canvas", { tabindex: 0, role: "application",
      "aria-label": "Timeline of one step. Arrow keys choose, plus and minus zoom, 0 shows all." });
    this.told = el("p", { class: "told soft", "aria-live": "polite" }, this.help());
    this.listen();
    new ResizeObserver(() => requestAnimationFrame(() => this.draw())).observe(this.canvas);
    drawnAgain.push(() => this.draw());
  }

  help() {
    return "Hover or arrow keys: what it is. Drag: move. Plus, minus or Ctrl and the wheel: zoom; a double click "
      + "or Enter: to that piece; 0: all.";
  }

  node() {
    const tool = (text, name, action) => el("button", { type: "button", "aria-label": name, title: name, onclick: action }, text);
    const parts = new Set(this.line.spans.map((span) => kindOf(this.line.names[span[4]])));
    const left = this.line.left_out ? ` ${this.line.left_out} shorter pieces are not drawn.` : "";
    return card("Timeline of one step",
      el("p", { class: "soft" }, `The recorded step of median length, ${duration(this.line.milliseconds)} with what `
        + `recording cost. Colors are those of the parts.${left}`),
      el("div", { class: "tools" }, tool("−", "Zoom out", () => this.zoom(1.6)), tool("+", "Zoom in", () => this.zoom(1 / 1.6)),
        tool("←", "Move left", () => this.move(-0.25)), tool("→", "Move right", () => this.move(0.25)),
        tool("Whole step", "Whole step", () => this.view(0, this.line.milliseconds))),
      legend(Object.entries(KINDS).filter(([kind]) => parts.has(kind))),
      el("div", { class: "tall" }, this.canvas), this.told);
  }

  listen() {
    const canvas = this.canvas;
    let held = null;
    canvas.addEventListener("pointerdown", (event) => { held = [event.clientX, this.from, this.to]; });
    addEventListener("pointerup", () => { held = null; });
    canvas.addEventListener("pointermove", (event) => {
      if (held === null) { this.choose(this.at(event)); return; }
      const shift = (held[0] - event.clientX) / canvas.clientWidth * (held[2] - held[1]);
      this.view(held[1] + shift, held[2] + shift);
    });
    canvas.addEventListener("dblclick", (event) => { this.choose(this.at(event)); this.show(); });
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.time(event));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const actions = {
      "+": () => this.zoom(1 / 1.6), "=": () => this.zoom(1 / 1.6), "-": () => this.zoom(1.6),
      "0": () => this.view(0, this.line.milliseconds), Enter: () => this.show(),
      ArrowRight: () => this.walk(1), ArrowLeft: () => this.walk(-1), ArrowDown: () => this.deeper(), ArrowUp: () => this.higher(),
    };
    if (!Object.hasOwn(actions, event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    actions[event.key]();
  }

  walk(direction) {
    if (!this.chosen) { this.pick(this.line.spans[0]); return; }
    const row = this.line.spans.filter((span) => span[2] === this.chosen[2]);
    this.pick(row[row.indexOf(this.chosen) + direction]);
  }

  deeper() {
    const [start, length, row] = this.chosen || [0, this.line.milliseconds, -1];
    this.pick(this.line.spans.find((span) => span[2] === row + 1 && span[0] >= start && span[0] <= start + length));
  }

  higher() {
    if (!this.chosen) return;
    const [start, , row] = this.chosen;
    this.pick(this.line.spans.find((span) => span[2] === row - 1 && span[0] <= start && start <= span[0] + span[1]));
  }

  pick(span) {
    if (!span) return;
    this.choose(span);
    const [start, length] = span;
    if (start < this.from || start + length > this.to) {
      const wide = Math.max(this.to - this.from, length * 1.2);
      this.view(start + length / 2 - wide / 2, start + length / 2 + wide / 2);
    }
  }

  show() {
    if (this.chosen) this.view(this.chosen[0] - this.chosen[1] * 0.05, this.chosen[0] + this.chosen[1] * 1.05);
  }

  choose(span) {
    this.chosen = span || null;
    const words = span ? this.words(span) : [this.help()];
    this.told.replaceChildren(...words.map((one) => (one instanceof Node ? one : shown(one))));
    this.draw();
  }

  words([start, length, , name, part]) {
    const [what, whose] = [this.line.names[name], this.line.names[part]];
    return [el("b", {}, what), `  ${duration(length)}, ${percent(length / this.line.milliseconds)} of the step, from `
      + `${duration(start)} on${what === whose ? "" : `; part ${whose}`}`];
  }

  time(event) {
    return this.from + (event.offsetX / this.canvas.clientWidth) * (this.to - this.from);
  }

  at(event) {
    const [time, row] = [this.time(event), Math.floor((event.offsetY - AXIS) / ROW)];
    const near = (this.to - this.from) / this.canvas.clientWidth * 2;
    return this.line.spans.find((span) => span[2] === row && span[0] - near <= time && time <= span[0] + span[1] + near);
  }

  zoom(factor, around = this.chosen ? this.chosen[0] + this.chosen[1] / 2 : (this.from + this.to) / 2) {
    this.view(around - (around - this.from) * factor, around + (this.to - around) * factor);
  }

  move(fraction) {
    const shift = fraction * (this.to - this.from);
    this.view(this.from + shift, this.to + shift);
  }

  view(from, to) {
    const whole = this.line.milliseconds;
    const wide = Math.min(whole, Math.max(to - from, whole / 1e5));
    this.from = Math.min(Math.max(0, from), whole - wide);
    this.to = this.from + wide;
    this.draw();
  }

  draw() {
    const { canvas, line } = this;
    const [width, height, scale] = [canvas.clientWidth, AXIS + line.rows * ROW + 4, devicePixelRatio || 1];
    if (!width) return;
    canvas.style.height = `${height}px`;
    [canvas.width, canvas.height] = [width * scale, height * scale];
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.font = "11px system-ui, sans-serif";
    pen.textBaseline = "middle";
    const place = (time) => (time - this.from) / (this.to - this.from) * width;
    this.axis(pen, place, width, height);
    const colors = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, color(kind)]));
    for (const span of line.spans) this.span(pen, span, place, width, colors);
  }

  axis(pen, place, width, height) {
    const wide = this.to - this.from;
    const rough = wide / Math.max(2, Math.floor(width / 110));
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
    pen.fillStyle = color("soft");
    pen.strokeStyle = color("line");
    for (let time = Math.ceil(this.from / step) * step; time <= this.to; time += step) {
      pen.beginPath();
      pen.moveTo(place(time), 0);
      pen.lineTo(place(time), height);
      pen.stroke();
      pen.fillText(duration(time), place(time) + 4, 11);
    }
  }

  span(pen, span, place, width, colors) {
    const [start, length, row, name, part] = span;
    const [left, right] = [Math.max(-1, place(start)), Math.min(width + 1, place(start + length))];
    if (right < 0 || left > width) return;
    const [text, top] = [this.line.names[name], AXIS + row * ROW];
    const isScope = text === this.line.names[part];
    pen.globalAlpha = isScope ? 1 : 0.62;
    pen.fillStyle = colors[kindOf(this.line.names[part])];
    pen.fillRect(left, top, Math.max(0.6, right - left - 0.5), ROW - 2);
    pen.globalAlpha = 1;
    if (span === this.chosen) {
      pen.strokeStyle = color("ink");
      pen.lineWidth = 2;
      pen.strokeRect(left + 1, top, Math.max(1, right - left - 2), ROW - 2);
      pen.lineWidth = 1;
    }
    if (right - left < 34) return;
    pen.save();
    pen.beginPath();
    pen.rect(left, top, right - left - 3, ROW);
    pen.clip();
    pen.fillStyle = root.dataset.theme === "dark" ? "#0d0f12" : "#ffffff";
    pen.fillText(shown(text), left + 4, top + ROW / 2 - 1);
    pen.restore();
  }
}
