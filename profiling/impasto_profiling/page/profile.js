// The page of one profile.
"use strict";

function machineLine(report) {
  const versions = Object.entries(report.versions).map(([name, version]) => `${name} ${version}`).join(", ");
  return [report.machine || report.device, report.device === report.machine ? null : report.device,
    `${report.threads} threads`, report.precision, report.compiled ? "compiled" : "not compiled", versions]
    .filter(Boolean).join(" · ");
}

function runLine(report) {
  return `${report.content} as ${report.styles.join(", ")} · ${report.extractor} · ${report.losses.join(" + ")} · ${report.optimizer}`;
}

function tilesOf(report, stage) {
  const step = stage.seconds / stage.steps;
  const first = stage.parts[0];
  const tile = (number, text) => el("div", { class: "tile" }, el("b", {}, number), el("span", { class: "soft" }, text));
  const usual = stage.usual_step ? `; ${duration(stage.usual_step * 1e3)} were those without the profiler` : "";
  return el("div", { class: "tiles" },
    tile(duration(step * 1e3), `a step, ${stage.steps} of ${stage.planned} recorded${usual}`),
    tile(first.name, `costs the most: ${percent(first.fraction)} of a step`),
    stage.peak ? tile(`${digits(stage.peak.mebibytes)} MiB`, `at most at once in a step, in ${stage.peak.part}`) : null,
    tile(percent(stage.cost / (stage.seconds + stage.cost)), `of the recorded time was the recording itself, ${duration(stage.cost / stage.steps * 1e3)} a step; it is taken out`));
}

function operatorsOf(stage) {
  const per = 1000 / stage.steps;
  return card("The most expensive operators",
    el("p", { class: "soft" }, "Time of their own, whatever part called them."),
    table(["operator", "of step", "ms a step", "calls a step"], stage.operators.map((one) =>
      [one.name, percent(one.fraction), digits(one.seconds * per), digits(one.calls / stage.steps)])));
}

function notesOf(stage) {
  const notes = [];
  if (stage.compiling !== null && stage.parts.some((part) => part.name === "objective")) {
    notes.push(`Compiled: inside "objective" parts cannot be told apart. The first step took ${digits(stage.compiling)} s longer than the others.`);
  }
  if (stage.untold.length) notes.push(`Not found in the trace, so not in the roofline: ${stage.untold.join(", ")}.`);
  return notes.map((note) => el("p", { class: "warning" }, note));
}

function stagePage(report, drawn, number) {
  const stage = report.stages[number];
  const line = drawn[number].timeline;
  drawnAgain.length = 0;
  return [tilesOf(report, stage), notesOf(stage), partsOf(stage), line ? new Timeline(line).node() : null,
    memoryOf(report, stage, drawn[number].curve), rooflineOf(report, stage), operatorsOf(stage)].flat().filter(Boolean);
}

function profilePage() {
  const { report, drawn } = data;
  const body = el("div");
  const buttons = report.stages.map((stage, number) => el("button", { type: "button", onclick: () => choose(number) },
    `Stage ${stage.stage}: ${stage.width} × ${stage.height}`));
  const choose = (number) => {
    buttons.forEach((one, place) => one.setAttribute("aria-pressed", String(place === number)));
    body.replaceChildren(...stagePage(report, drawn, number));
  };
  const theme = themes();
  document.querySelector("main").append(
    el("div", { class: "top" }, el("h1", {}, report.name), theme),
    el("p", { class: "soft" }, runLine(report), el("br"), machineLine(report)),
    el("div", {}, report.findings.map((finding) => el("p", { class: "lead" }, finding))),
    report.command ? copyable(report.command) : "",
    buttons.length > 1 ? el("div", { class: "stages" }, buttons) : "", body);
  const longest = report.stages.map((stage) => stage.seconds / stage.steps * stage.planned);
  choose(longest.indexOf(Math.max(...longest)));
}

profilePage();
