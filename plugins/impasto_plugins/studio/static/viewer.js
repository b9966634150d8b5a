// The picture: zoom and pan to the pixels, and a slider that shows the content before it.

import { button, el } from "./dom.js";

const LARGEST = 32;

export class Viewer {
  constructor(place, { onclose } = {}) {
    this.after = null;
    this.before = null;
    this.size = null;
    this.view = null;
    this.part = 1;
    this.pointers = new Map();
    this.canvas = el("canvas", {
      id: place.id === "viewer" ? "picture" : undefined, tabIndex: 0, role: "img",
      "aria-label": "The painting. Plus and minus zoom, arrows move, 0 fits, 1 shows pixels.",
    });
    this.divider = el("input", {
      type: "range", min: 0, max: 1000, value: 1000, className: "divider", hidden: true,
      "aria-label": "Before and after", oninput: () => this.divide(this.divider.value / 1000),
    });
    this.told = el("span", { className: "soft zoom" });
    this.compare = button("Before / after", () => this.toggle(), {
      "aria-pressed": "false", hidden: true, title: "Slide between the content and the painting (c)",
    });
    this.frame = el("div", { className: "frame" }, this.canvas, this.divider,
      el("p", { className: "nothing" }, "No picture yet"));
    this.tools = el("div", { className: "tools" },
      button("Fit", () => this.fit(), { title: "Show all of it (0)" }),
      button("1 : 1", () => this.zoomTo(1 / devicePixelRatio), { title: "One pixel of it is one of the screen (1)" }),
      button("−", () => this.zoomBy(1 / 1.5), { "aria-label": "Smaller" }),
      button("+", () => this.zoomBy(1.5), { "aria-label": "Larger" }),
      this.told, el("span", { className: "space" }), this.compare);
    place.append(this.frame, this.tools);
    this.listen();
    new ResizeObserver(() => this.resized()).observe(this.frame);
  }

  listen() {
    const canvas = this.canvas;
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), ...this.place(event));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, this.place(event));
    });
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => this.pointers.delete(event.pointerId));
    }
    canvas.addEventListener("dblclick", (event) => {
      if (this.fits) this.zoomBy(Math.max(2, 1 / this.view.scale), ...this.place(event));
      else this.fit();
    });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const step = 60;
    const actions = {
      "+": () => this.zoomBy(1.5), "=": () => this.zoomBy(1.5), "-": () => this.zoomBy(1 / 1.5),
      0: () => this.fit(), 1: () => this.zoomTo(1 / devicePixelRatio), c: () => this.toggle(),
      ArrowLeft: () => this.pan(step, 0), ArrowRight: () => this.pan(-step, 0),
      ArrowUp: () => this.pan(0, step), ArrowDown: () => this.pan(0, -step),
    };
    if (!actions[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    actions[event.key]();
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before || !this.view) return;
    const now = this.place(event);
    if (this.pointers.size === 2) {
      const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      const far = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
      this.zoomBy(far(now, other) / Math.max(1, far(before, other)), ...other);
    } else this.pan(now[0] - before[0], now[1] - before[1]);
    this.pointers.set(event.pointerId, now);
  }

  // The picture's size is that of the result, so that the view stays as it is when a stage grows.
  show(bitmap, width, height) {
    const other = !this.size || Math.abs(this.size[0] / this.size[1] - width / height) > 0.02;
    const fits = !this.view || this.fits || other;
    this.after = bitmap;
    this.size = [width, height];
    this.frame.classList.add("full");
    this.canvas.style.setProperty("--shape", width / height);
    if (fits) this.fit();
    else this.draw();
  }

  clear() {
    this.after = this.before = this.view = this.size = null;
    this.frame.classList.remove("full");
    this.compare.hidden = true;
    this.divider.hidden = true;
    this.draw();
  }

  showBefore(bitmap) {
    this.before = bitmap;
    this.compare.hidden = !bitmap;
    this.draw();
  }

  toggle() {
    if (!this.before) return;
    const on = this.divider.hidden;
    this.divider.hidden = !on;
    this.compare.setAttribute("aria-pressed", on);
    this.divide(on ? 0.5 : 1);
  }

  divide(part) {
    this.part = part;
    this.divider.value = part * 1000;
    this.draw();
  }

  get fits() {
    return this.view && Math.abs(this.view.scale / this.fitting().scale - 1) < 0.01;
  }

  fitting() {
    const [width, height] = this.size, { clientWidth, clientHeight } = this.canvas;
    const scale = Math.min(clientWidth / width, clientHeight / height);
    return { scale, x: (clientWidth - width * scale) / 2, y: (clientHeight - height * scale) / 2 };
  }

  fit() {
    if (!this.size) return;
    this.view = this.fitting();
    this.draw();
  }

  zoomTo(scale) {
    if (this.view) this.zoomBy(scale / this.view.scale);
  }

  zoomBy(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    if (!this.view) return;
    const least = Math.min(this.fitting().scale, 1);
    const scale = Math.min(Math.max(this.view.scale * factor, least), LARGEST);
    const by = scale / this.view.scale;
    this.view = { scale, x: x - (x - this.view.x) * by, y: y - (y - this.view.y) * by };
    this.pan(0, 0);
  }

  pan(x, y) {
    if (!this.view) return;
    const kept = (start, length, all) => {
      if (length <= all) return (all - length) / 2;
      return Math.min(0, Math.max(all - length, start));
    };
    const { scale } = this.view, { clientWidth, clientHeight } = this.canvas;
    this.view.x = kept(this.view.x + x, this.size[0] * scale, clientWidth);
    this.view.y = kept(this.view.y + y, this.size[1] * scale, clientHeight);
    this.draw();
  }

  resized() {
    const ratio = devicePixelRatio || 1, { canvas } = this;
    const fits = this.view && this.fits;
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
    if (this.size && (fits || this.wide !== canvas.clientWidth)) this.fit();
    this.wide = canvas.clientWidth;
    this.draw();
  }

  draw() {
    const { canvas, view } = this, context = canvas.getContext("2d"), ratio = devicePixelRatio || 1;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    this.told.textContent = view ? `${Math.round(view.scale * ratio * 100)} %` : "";
    if (!view || !this.after) return;
    const [width, height] = this.size;
    context.scale(ratio, ratio);
    context.imageSmoothingQuality = "high";
    context.imageSmoothingEnabled = (view.scale * ratio * width) / this.after.width < 3;
    const paint = (bitmap) => context.drawImage(bitmap, view.x, view.y, width * view.scale, height * view.scale);
    paint(this.after);
    if (!this.before || this.divider.hidden) return;
    // The slider has the frame's width, and its thumb is where the pictures meet.
    const edge = (1 - this.part) * canvas.clientWidth;
    context.save();
    context.beginPath();
    context.rect(0, 0, canvas.clientWidth - edge, canvas.clientHeight);
    context.clip();
    paint(this.before);
    context.restore();
    context.fillStyle = "#fff";
    context.fillRect(canvas.clientWidth - edge - 1, 0, 2, canvas.clientHeight);
  }
}
