// A mask painted with a brush over a picture: white where it counts.

import { $, button, el } from "./dom.js";
import { ask, told } from "./talk.js";

const LONGEST = 1024, SHORTEST = 640;
// Pixels of the longer side of a mask: what a brush can be moved over well, also where the picture is small.

// The identifier of the mask; null for none, undefined where nothing was changed.
export async function paintMask(picture, title, before) {
  const image = await createImageBitmap((await ask(`/api/uploads/${picture.id}`)).blob);
  const longer = Math.max(picture.width, picture.height);
  const scale = Math.min(Math.max(longer, SHORTEST), LONGEST) / longer;
  const width = Math.max(16, Math.round(picture.width * scale)), height = Math.max(16, Math.round(picture.height * scale));
  const mask = el("canvas", { width, height }), paint = mask.getContext("2d");
  const canvas = el("canvas", { width, height, tabIndex: 0, className: "brush", "aria-label": "Paint with the pointer where it counts" });
  const context = canvas.getContext("2d");
  if (before) {
    const old = await told(ask(`/api/uploads/${before}`));
    if (old) {
      paint.drawImage(await createImageBitmap(old.blob), 0, 0, width, height);
      opaque(paint, width, height);
    }
  }
  const size = el("input", { type: "range", min: 4, max: 300, value: Math.round(Math.max(width, height) / 8), "aria-label": "Size of the brush" });
  let erasing = false, last = null;
  const draw = () => {
    context.globalCompositeOperation = "source-over";
    context.drawImage(image, 0, 0, width, height);
    context.fillStyle = "#0009";
    context.fillRect(0, 0, width, height);
    const lit = el("canvas", { width, height }), inside = lit.getContext("2d");
    inside.drawImage(mask, 0, 0);
    inside.globalCompositeOperation = "source-in";
    inside.drawImage(image, 0, 0, width, height);
    context.drawImage(lit, 0, 0);
  };
  const stroke = (event) => {
    const box = canvas.getBoundingClientRect();
    const at = [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
    paint.globalCompositeOperation = erasing ? "destination-out" : "source-over";
    paint.strokeStyle = "#fff";
    paint.lineCap = paint.lineJoin = "round";
    paint.lineWidth = Number(size.value);
    paint.beginPath();
    paint.moveTo(...(last || at));
    paint.lineTo(...at);
    paint.stroke();
    last = at;
    draw();
  };
  canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); last = null; stroke(event); });
  canvas.addEventListener("pointermove", (event) => { if (event.buttons) stroke(event); });
  draw();
  const dialog = $("dialog");
  return new Promise((resolve) => {
    let answer;
    const close = (value) => { answer = value; dialog.close(); };
    const erase = button("Erase", () => { erasing = !erasing; erase.setAttribute("aria-pressed", erasing); }, { "aria-pressed": "false" });
    dialog.replaceChildren(el("h2", { id: "dialog-title" }, title), canvas,
      el("div", { className: "buttons" }, el("label", { className: "inline" }, "Brush", size), erase,
        button("All", () => { paint.globalCompositeOperation = "source-over"; paint.fillStyle = "#fff"; paint.fillRect(0, 0, width, height); draw(); }),
        button("Nothing", () => { paint.clearRect(0, 0, width, height); draw(); }),
        el("span", { className: "space" }),
        button("No mask", () => close(null)), button("Leave as it was", () => close(undefined)),
        button("Use it", async () => {
          const given = await told(upload(mask, width, height));
          if (given) close(given.id);
        }, { className: "main" })));
    dialog.addEventListener("close", () => resolve(answer), { once: true });
    dialog.showModal();
  });
}

// Black becomes clear, so that a mask that was saved can be painted on.
function opaque(paint, width, height) {
  const data = paint.getImageData(0, 0, width, height);
  for (let place = 0; place < data.data.length; place += 4) {
    data.data[place + 3] = data.data[place];
    data.data[place] = data.data[place + 1] = data.data[place + 2] = 255;
  }
  paint.putImageData(data, 0, 0);
}

async function upload(mask, width, height) {
  const whole = el("canvas", { width, height }), context = whole.getContext("2d");
  context.fillStyle = "#000";
  context.fillRect(0, 0, width, height);
  context.drawImage(mask, 0, 0);
  const blob = await new Promise((resolve) => { whole.toBlob(resolve, "image/png"); });
  return ask("/api/uploads", blob, { headers: { "X-Name": "mask.png" } });
}
