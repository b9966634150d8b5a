// The page of a comparison: the verdict, the steps, and every part of both.
"use strict";

function between(ratio) {
  return ratio.low === null ? "too few steps for an interval" : `${percent(ratio.low)} to ${percent(ratio.high)}`;
}

function stepsPicture(told) {
  const all = told.steps.flat();
  const most = Math.max(...all) * 1.05;
  const x = (seconds) => 90 + seconds / most * 740;
  const rows = [["A", told.steps[0], "extractor", 34], ["B", told.steps[1], "loss", 74]];
  const step = niceTick(most / 6);
  const marks = [];
  for (let time = 0; time <= most; time += step) {
    marks.push(svg("line", { class: "axis", x1: x(time), x2: x(time), y1: 10, y2: 98 }),
      svg("text", { class: "soft", x: x(time), y: 116, "text-anchor": "middle" }, duration(time * 1e3)));
  }
  return svg("svg", { viewBox: "0 0 860 124", role: "img", "aria-label": "Each step's time, of both", style: { "min-width": "480px" } },
    marks, rows.map(([name, steps, kind, y]) => [
      svg("text", { x: 60, y: y + 4, "text-anchor": "end" }, name),
      steps.map((one, place) => svg("circle", { cx: x(one), cy: y + (place % 3 - 1) * 6, r: 5, style: { fill: `var(--${kind})` }, "fill-opacity": 0.7 },
        svg("title", {}, `step ${place + 1}: ${duration(one * 1e3)}`))),
      svg("line", { class: "roof", x1: x(median(steps)), x2: x(median(steps)), y1: y - 15, y2: y + 15 }),
    ]).flat(2));
}

function niceTick(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

function changeRow(part, most) {
  const time = (value) => (value === null ? "–" : digits(value));
  const width = 50 * Math.abs(part.change) / most;
  const left = part.change < 0 ? 50 - width : 50;
  return el("tr", { class: part.changed ? "head" : null }, el("td", {}, part.name), el("td", {}, time(part.first)), el("td", {}, time(part.second)),
    el("td", { class: part.changed ? (part.change < 0 ? "good" : "bad") : "soft" }, (part.change > 0 ? "+" : "") + digits(part.change)),
    el("td", { class: "bar" }, el("div", { class: "track" },
      el("i", { style: { width: `${left}%` } }),
      el("i", { style: { width: `${width}%`, background: `var(--${part.change < 0 ? "good" : "bad"})`, opacity: part.changed ? 1 : 0.35 } }))),
    el("td", { class: "wide" }, part.ratio ? `${percent(part.ratio.middle)}` : ""),
    el("td", { class: "wide" }, part.ratio ? between(part.ratio) : (part.first === null ? "new" : "gone")));
}

function comparisonPage() {
  const told = data;
  const tone = { faster: "good", slower: "bad" }[told.verdict] || "";
  const tile = (number, text, shape = "") => el("div", { class: "tile" }, el("b", { class: shape }, number), el("span", { class: "soft" }, text));
  const most = Math.max(...told.parts.map((part) => Math.abs(part.change)), 1e-9);
  const medians = told.steps.map((steps) => duration(median(steps) * 1e3));
  document.querySelector("main").append(
    el("div", { class: "top" }, el("h1", {}, `B is ${told.verdict === "no difference" ? "no different from A" : `${told.verdict} than A`}`), themes()),
    el("p", { class: "soft" }, `A: ${told.first}`, el("br"), `B: ${told.second}`, el("br"), `at ${told.size} pixels`),
    el("div", {}, told.sentences.map((sentence, place) => el("p", { class: place ? "" : "lead" }, sentence))),
    el("div", {}, told.warnings.map((warning) => el("p", { class: "warning" }, warning))),
    el("div", { class: "tiles" }, tile(percent(told.ratio.middle), `of A's time a step; 95 % interval ${between(told.ratio)}`, tone),
      tile(medians[0], "median step of A"), tile(medians[1], "median step of B"),
      tile(String(told.parts.filter((part) => part.changed).length), `of ${told.parts.length} parts changed`)),
    card("Each step", el("p", { class: "soft" }, told.in_turns ? "Taken in turns, A B A B, without the profiler; the line is the median."
      : "As recorded, what recording cost taken out; the line is the median."), el("div", { class: "scrolls" }, stepsPicture(told))),
    card("Every part", el("p", { class: "soft" }, "Milliseconds a step. A part changed if its interval leaves out 100 % and the change is worth 1 % of a step."),
      el("table", {}, el("thead", {}, el("tr", {}, ["part", "A", "B", "change", "", "B by A", "95 % interval"].map((name, place) =>
        el("th", { scope: "col", class: place > 4 ? "wide" : null }, name)))),
      el("tbody", {}, told.parts.map((part) => changeRow(part, most))))),
    card("What both were", table(["", "A", "B"], told.settings.map(([name, a, b]) => [name, a, b]), [1, 2])));
}

comparisonPage();
