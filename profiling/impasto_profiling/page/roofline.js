// The roofline (Williams, Waterman and Patterson, 2009): each layer's rate under what the machine can do.
"use strict";

const FIELD = { left: 58, right: 700, top: 16, bottom: 372, labels: 730, width: 860, height: 420 };
const NAMED = 24;

function rooflineOf(report, stage) {
  if (!stage.layers.length) return null;
  const cache = report.cache_bandwidth || report.bandwidth;
  const about = report.raised ? " A layer was faster than the matrix product that was measured, so the ceiling is its rate: "
    + "other programs kept the machine busy while it was measured." : "";
  return card("Roofline of the convolutions",
    el("p", { class: "soft" }, `Operations that were computed, so that Winograd's algorithm counts for less than the direct one. `
      + `At most ${digits(report.ceiling)} GFLOP/s, a matrix product in ${report.precision} on this machine; on the left memory `
      + `is the limit: ${digits(cache)} GB/s from caches, ${digits(report.bandwidth)} GB/s from main memory (dashed).${about}`),
    el("div", { class: "scrolls" }, rooflinePicture(report, stage, cache)),
    el("details", {}, el("summary", {}, "The same as a table"), layersTable(stage)));
}

function layersTable(stage) {
  const per = 1000 / stage.steps;
  return table(["layer", "ms a step", "of step", "GFLOP/s", "of ceiling", "as direct convolution", "FLOP/byte"],
    stage.layers.map((one) => [one.layer, digits(one.seconds * per), percent(one.fraction), digits(one.done_rate),
      percent(one.of_ceiling), `${digits(one.rate)} GFLOP/s`, digits(one.intensity)]));
}

function scaleOf(low, high, from, to) {
  const [a, b] = [Math.log10(low), Math.log10(high)];
  const scale = (value) => from + (Math.log10(value) - a) / (b - a) * (to - from);
  scale.ticks = [];
  for (let power = Math.ceil(a); power <= b; power += 1) scale.ticks.push(10 ** power);
  return scale;
}

function rooflinePicture(report, stage, cache) {
  const points = stage.layers.filter((one) => one.done_rate > 0 && one.intensity > 0);
  const across = points.map((one) => one.intensity);
  const [low, high] = [Math.min(1, ...across) / 2, Math.max(100, ...across) * 2];
  const floor = Math.min(...points.map((one) => one.done_rate), report.ceiling / 20) / 2;
  const x = scaleOf(low, high, FIELD.left, FIELD.right);
  const y = scaleOf(floor, report.ceiling * 2, FIELD.bottom, FIELD.top);
  const roof = (bandwidth) => [low, Math.min(high, report.ceiling / bandwidth), high]
    .map((one) => `${x(one)},${Math.min(FIELD.bottom, y(Math.max(floor, Math.min(report.ceiling, one * bandwidth))))}`).join(" ");
  const label = points.map((one) => `${one.layer} ${digits(one.done_rate)} GFLOP/s, ${percent(one.of_ceiling)} of the ceiling`);
  return svg("svg", { viewBox: `0 0 ${FIELD.width} ${FIELD.height}`, role: "img", "aria-label": `Roofline: ${label.join("; ")}`,
    style: { "min-width": "560px" } },
    axes(x, y),
    svg("polyline", { class: "dashed", points: roof(report.bandwidth) }), svg("polyline", { class: "roof", points: roof(cache) }),
    svg("text", { x: FIELD.right, y: y(report.ceiling) - 7, "text-anchor": "end" }, `ceiling ${digits(report.ceiling)} GFLOP/s`),
    named(points, x, y),
    points.map((one, place) => svg("circle", { cx: x(one.intensity), cy: y(one.done_rate), r: 5, fill: color("extractor"),
      stroke: color("card"), tabindex: 0 }, svg("title", {}, label[place]))));
}

function axes(x, y) {
  return [
    x.ticks.map((tick) => [svg("line", { class: "axis", x1: x(tick), x2: x(tick), y1: FIELD.top, y2: FIELD.bottom }),
      svg("text", { class: "soft", x: x(tick), y: FIELD.bottom + 17, "text-anchor": "middle" }, String(tick))]),
    y.ticks.map((tick) => [svg("line", { class: "axis", x1: FIELD.left, x2: FIELD.right, y1: y(tick), y2: y(tick) }),
      svg("text", { class: "soft", x: FIELD.left - 8, y: y(tick) + 4, "text-anchor": "end" }, String(tick))]),
    svg("text", { class: "soft", x: (FIELD.left + FIELD.right) / 2, y: FIELD.bottom + 38, "text-anchor": "middle" },
      "FLOP for each byte of input, weight and output"),
    svg("text", { class: "soft", transform: `translate(14 ${(FIELD.top + FIELD.bottom) / 2}) rotate(-90)`, "text-anchor": "middle" },
      "GFLOP/s, forward and backward"),
  ].flat(2);
}

// Names stand in a column, each at a height of its own, and lines lead to their points: none covers another.
function named(points, x, y) {
  const chosen = [...points].sort((a, b) => b.seconds - a.seconds).slice(0, NAMED).sort((a, b) => b.done_rate - a.done_rate);
  const gap = Math.min(17, (FIELD.bottom - FIELD.top) / chosen.length);
  const heights = [];
  chosen.forEach((one, place) => heights.push(Math.max(y(one.done_rate), place ? heights[place - 1] + gap : FIELD.top + 6)));
  for (let place = heights.length - 1, most = FIELD.bottom; place >= 0; place -= 1, most -= gap) {
    heights[place] = Math.min(heights[place], most);
  }
  return chosen.map((one, place) => [
    svg("polyline", { class: "leader", points: `${x(one.intensity)},${y(one.done_rate)} ${FIELD.labels - 22},${heights[place]} ${FIELD.labels - 6},${heights[place]}` }),
    svg("text", { x: FIELD.labels, y: heights[place] + 4 }, one.layer, svg("tspan", { class: "soft", dx: 6 }, percent(one.of_ceiling))),
  ]).flat();
}
