// Memory over one step by the part that took it, and who held what at the peak.
"use strict";

const AREA = { left: 58, right: 850, top: 14, bottom: 250, width: 860, height: 290 };
const GRADIENT = ", gradient";

function memoryOf(report, stage, curve) {
  if (!stage.peak) {
    return card("Memory", el("p", {}, "Allocations were not recorded; leave out --no-memory to see them."));
  }
  const at = stage.peak.operator ? `${stage.peak.part} (${stage.peak.operator})` : stage.peak.part;
  const standing = stage.standing.map((one) => `${one.part} ${digits(one.mebibytes)} MiB`).join(", ");
  return card("Memory",
    el("p", {}, `The recorded steps took at most ${digits(stage.peak.mebibytes)} MiB at once, while ${at} was at work, on top of what `
      + `stood there before: ${standing || "not recorded"}. The whole process took at most ${digits(report.peak_memory, 4)} MiB.`),
    curve ? memoryPicture(curve) : null,
    el("div", { class: "columns" },
      el("div", {}, el("h3", {}, "Held at the peak, by part"),
        table(["taken by", "MiB", "tensors"], stage.peak.holders.filter((one) => one.mebibytes >= 0.005).slice(0, 14).map((one) => [one.part, digits(one.mebibytes), one.tensors]))),
      el("div", {}, el("h3", {}, "The largest tensors at the peak"),
        table(["taken by", "in operator", "MiB"], stage.peak.largest.map((one) => [one.part, one.operator || "–", digits(one.mebibytes)]), [1]))));
}

function memoryPicture(curve) {
  const series = seriesOf(curve);
  const totals = curve.mebibytes.map((values) => values.reduce((a, b) => a + b, 0));
  const most = Math.max(...totals);
  const end = curve.milliseconds[curve.milliseconds.length - 1];
  const x = (time) => AREA.left + time / end * (AREA.right - AREA.left);
  const y = (mebibytes) => AREA.bottom - mebibytes / (most * 1.08) * (AREA.bottom - AREA.top);
  const line = svg("line", { class: "roof", y1: AREA.top, y2: AREA.bottom, visibility: "hidden" });
  const told = el("p", { class: "told soft", "aria-live": "polite" }, "Hover, or arrow keys: what is held at that moment.");
  const picture = svg("svg", { viewBox: `0 0 ${AREA.width} ${AREA.height}`, tabindex: 0, role: "img",
    "aria-label": `Memory over one step, at most ${digits(most)} MiB`, style: { "min-width": "480px" } },
    memoryAxes(x, y, end, most), stacked(curve, series, x, y), peakMark(curve, totals, most, x, y), line);
  const choose = (place) => {
    const held = curve.parts.map((name, number) => [name, curve.mebibytes[place][number]])
      .filter(([, one]) => one > 0.005).sort((a, b) => b[1] - a[1]).slice(0, 8);
    filled(line, { x1: x(curve.milliseconds[place]), x2: x(curve.milliseconds[place]), visibility: "visible" }, []);
    told.textContent = shown(`After ${duration(curve.milliseconds[place])}: ${digits(totals[place])} MiB – `
      + held.map(([name, one]) => `${name} ${digits(one)}`).join(", "));
  };
  let place = totals.indexOf(most);
  picture.addEventListener("pointermove", (event) => {
    const time = (event.offsetX / picture.clientWidth * AREA.width - AREA.left) / (AREA.right - AREA.left) * end;
    const after = curve.milliseconds.findIndex((one) => one > time);
    place = after < 0 ? totals.length - 1 : Math.max(0, after - 1);
    choose(place);
  });
  picture.addEventListener("keydown", (event) => {
    const shift = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!shift) return;
    event.preventDefault();
    place = Math.min(totals.length - 1, Math.max(0, place + shift));
    choose(place);
  });
  return el("div", {}, legend(series.map(({ name, kind, light }) => [kind, name, light])), el("div", { class: "scrolls" }, picture), told);
}

// Parts of one kind are one area, their gradients another: fifty areas would be fifty slivers.
function seriesOf(curve) {
  const groups = new Map();
  curve.parts.forEach((part, place) => {
    const light = part.endsWith(GRADIENT);
    const kind = part === "earlier steps" ? "elsewhere" : kindOf(part);
    const name = part === "earlier steps" ? part : (light ? `gradients of ${KINDS[kind]}` : KINDS[kind]);
    if (!groups.has(name)) groups.set(name, { name, kind, light, places: [] });
    groups.get(name).places.push(place);
  });
  return [...groups.values()].map((group) => ({ ...group,
    of: (values) => group.places.reduce((total, place) => total + values[place], 0) }));
}

function stacked(curve, series, x, y) {
  let below = curve.milliseconds.map(() => 0);
  return series.map(({ name, kind, light, of }) => {
    const above = curve.mebibytes.map((values, place) => below[place] + Math.max(0, of(values)));
    const steps = (heights) => curve.milliseconds.flatMap((time, place) => {
      const next = curve.milliseconds[Math.min(place + 1, heights.length - 1)];
      return [`${x(time)},${y(heights[place])}`, `${x(next)},${y(heights[place])}`];
    });
    const points = [...steps(above), ...steps(below).reverse()].join(" ");
    below = above;
    return svg("polygon", { points, style: { fill: `var(--${kind})`, "fill-opacity": light ? 0.5 : 1 } }, svg("title", {}, name));
  });
}

function memoryAxes(x, y, end, most) {
  const step = niceStep(most / 4);
  const marks = [];
  for (let one = 0; one <= most * 1.05; one += step) {
    marks.push(svg("line", { class: "axis", x1: AREA.left, x2: AREA.right, y1: y(one), y2: y(one) }),
      svg("text", { class: "soft", x: AREA.left - 8, y: y(one) + 4, "text-anchor": "end" }, digits(one)));
  }
  const width = niceStep(end / 6);
  for (let time = 0; time <= end; time += width) {
    marks.push(svg("text", { class: "soft", x: x(time), y: AREA.bottom + 17, "text-anchor": "middle" }, duration(time)));
  }
  return [...marks, svg("text", { class: "soft", x: AREA.left, y: AREA.bottom + 34 }, "MiB over one step")];
}

function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
}

function peakMark(curve, totals, most, x, y) {
  const place = x(curve.milliseconds[totals.indexOf(most)]);
  const anchor = place > (AREA.left + AREA.right) / 2 ? "end" : "start";
  return [svg("circle", { cx: place, cy: y(most), r: 4, style: { fill: "var(--ink)" } }),
    svg("text", { x: place + (anchor === "end" ? -9 : 9), y: y(most) + 4, "text-anchor": anchor,
      style: { "paint-order": "stroke", stroke: "var(--card)", "stroke-width": "3px" } }, `peak ${digits(most)} MiB`)];
}
